//! The devices that llama.cpp can compute on.
//!
//! Owns their list and which of them are graphics processors. It chooses none: a model is loaded with a number of layers.

use llama_cpp_2::LlamaBackendDeviceType;

/// The kind of processor that a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor that runs the program.
    Cpu,
    /// A graphics processor, with memory of its own or in the processor.
    Gpu,
    /// Something that helps the processor with single operations.
    Accelerator,
    /// llama.cpp does not say.
    Unknown,
}

/// A device that llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// llama.cpp's name for it, such as `Vulkan0`.
    pub name: String,
    /// Its description, such as `NVIDIA GeForce RTX 3080`.
    pub description: String,
    /// The part of llama.cpp that drives it, such as `Vulkan`.
    pub backend: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// Its memory in bytes; 0 where it does not tell.
    pub memory_total: u64,
    /// Memory that was free when the devices were listed, in bytes; 0 where it does not tell.
    pub memory_free: u64,
}

impl DeviceKind {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "processor",
            Self::Gpu => "GPU",
            Self::Accelerator => "accelerator",
            Self::Unknown => "unknown",
        }
    }
}

/// All devices that this build can compute on, in llama.cpp's order.
pub fn devices() -> Vec<Device> {
    llama_cpp_2::list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| Device {
            name: device.name,
            description: device.description,
            backend: device.backend,
            kind: kind(device.device_type),
            memory_total: device.memory_total as u64,
            memory_free: device.memory_free as u64,
        })
        .collect()
}

/// The devices that layers of a model are put on.
pub fn gpus() -> Vec<Device> {
    let mut devices = devices();
    devices.retain(|device| device.kind == DeviceKind::Gpu);
    devices
}

fn kind(device_type: LlamaBackendDeviceType) -> DeviceKind {
    match device_type {
        LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
        LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu => DeviceKind::Gpu,
        LlamaBackendDeviceType::Accelerator => DeviceKind::Accelerator,
        LlamaBackendDeviceType::Unknown => DeviceKind::Unknown,
    }
}
