//! Parquet: each column optional, 64-bit integers, doubles or UTF-8 strings, compressed with Snappy.
//!
//! Owns the row groups: rows are collected until there are enough, then written column by column. What the columns mean
//! stands in the metadata of the file, under `meaning of NAME`.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Document, ExportError};
use crate::table::{Cell, Column, ColumnKind};

/// Rows that are written together; the format recommends groups of many rows, memory asks for few.
const GROUP_ROWS: usize = 50_000;

/// A Parquet document: one table.
pub(super) struct Parquet<W: Write + Send> {
    out: Option<W>,
    table: String,
    columns: Vec<PendingColumn>,
    writer: Option<SerializedFileWriter<W>>,
}

/// Values of one column that are not written yet.
struct PendingColumn {
    name: String,
    /// 1 for each value, 0 for each null.
    definition_levels: Vec<i16>,
    values: PendingValues,
}

/// The values that are not null.
enum PendingValues {
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: Some(out),
            table: String::new(),
            columns: Vec::new(),
            writer: None,
        }
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        let writer = self
            .writer
            .as_mut()
            .expect("a table begins before it has rows");
        let mut group = writer.next_row_group().map_err(failure)?;
        for pending in &mut self.columns {
            let column = group.next_column().map_err(failure)?;
            let column = column.expect("the schema was made from these columns");
            pending.write(column)?;
        }
        group.close().map_err(failure)?;
        Ok(())
    }
}

impl<W: Write + Send> Document for Parquet<W> {
    fn begin(&mut self, table: &str, columns: &[Column]) -> Result<(), ExportError> {
        let out = self
            .out
            .take()
            .expect("a document of this format has one table");
        table.clone_into(&mut self.table);
        self.columns = columns.iter().map(PendingColumn::new).collect();
        let schema = schema(table, columns).map_err(failure)?;
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(columns)))
            .map_err(failure)?;
        self.writer = Some(writer);
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        for (pending, cell) in self.columns.iter_mut().zip(cells) {
            pending
                .push(cell)
                .map_err(|[found, expected]| ExportError::Kind {
                    table: self.table.clone(),
                    column: pending.name.clone(),
                    found,
                    expected,
                })?;
        }
        let n_rows = self
            .columns
            .first()
            .map_or(0, |pending| pending.definition_levels.len());
        if n_rows >= GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        self.write_group()?;
        let writer = self.writer.as_mut().expect("write_group has used it");
        writer.finish().map_err(failure)?;
        Ok(writer.inner_mut().flush()?)
    }
}

impl PendingColumn {
    fn new(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            definition_levels: Vec::new(),
            values: match column.kind {
                ColumnKind::Integer => PendingValues::Integer(Vec::new()),
                ColumnKind::Real => PendingValues::Real(Vec::new()),
                ColumnKind::Text => PendingValues::Text(Vec::new()),
            },
        }
    }

    /// Keeps a value; where it is of another kind the names of its and the column's.
    fn push(&mut self, cell: &Cell<'_>) -> Result<(), [&'static str; 2]> {
        let level = i16::from(*cell != Cell::Null);
        match (&mut self.values, *cell) {
            (_, Cell::Null) => {}
            (PendingValues::Integer(values), Cell::Integer(number)) => values.push(number),
            (PendingValues::Real(values), Cell::Real(number)) => values.push(number),
            (PendingValues::Text(values), Cell::Text(text)) => values.push(text.into()),
            (values, cell) => return Err([cell_name(&cell), values.name()]),
        }
        self.definition_levels.push(level);
        Ok(())
    }

    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ExportError> {
        let levels = Some(self.definition_levels.as_slice());
        match &mut self.values {
            PendingValues::Integer(values) => {
                let writer = column.typed::<Int64Type>();
                writer.write_batch(values, levels, None).map_err(failure)?;
                values.clear();
            }
            PendingValues::Real(values) => {
                let writer = column.typed::<DoubleType>();
                writer.write_batch(values, levels, None).map_err(failure)?;
                values.clear();
            }
            PendingValues::Text(values) => {
                let writer = column.typed::<ByteArrayType>();
                writer.write_batch(values, levels, None).map_err(failure)?;
                values.clear();
            }
        }
        self.definition_levels.clear();
        column.close().map_err(failure)
    }
}

impl PendingValues {
    fn name(&self) -> &'static str {
        match self {
            Self::Integer(_) => ColumnKind::Integer.name(),
            Self::Real(_) => ColumnKind::Real.name(),
            Self::Text(_) => ColumnKind::Text.name(),
        }
    }
}

fn cell_name(cell: &Cell<'_>) -> &'static str {
    match cell {
        Cell::Null => "NULL",
        Cell::Integer(_) => ColumnKind::Integer.name(),
        Cell::Real(_) => ColumnKind::Real.name(),
        Cell::Text(_) => ColumnKind::Text.name(),
    }
}

fn schema(table: &str, columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (physical, logical) = match column.kind {
            ColumnKind::Integer => (PhysicalType::INT64, None),
            ColumnKind::Real => (PhysicalType::DOUBLE, None),
            ColumnKind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder(table).with_fields(fields);
    schema.build().map(Arc::new)
}

fn properties(columns: &[Column]) -> WriterProperties {
    let meanings = columns.iter().map(|column| {
        let key = format!("meaning of {}", column.name);
        KeyValue::new(key, column.meaning.clone())
    });
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(meanings.collect()))
        .build()
}

fn failure(error: ParquetError) -> ExportError {
    let reason = error.to_string();
    let source = match error {
        ParquetError::External(source) => source.downcast::<std::io::Error>(),
        _ => {
            return ExportError::Library {
                what: "Parquet",
                reason,
            };
        }
    };
    source.map_or(
        ExportError::Library {
            what: "Parquet",
            reason,
        },
        |error| ExportError::Write(*error),
    )
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::export::fixture::{ROWS, columns, write_bytes};

    fn read(bytes: Vec<u8>) -> SerializedFileReader<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        SerializedFileReader::new(file).unwrap()
    }

    fn field(cell: &Cell<'_>) -> Field {
        match *cell {
            Cell::Null => Field::Null,
            Cell::Integer(number) => Field::Long(number),
            Cell::Real(number) => Field::Double(number),
            Cell::Text(text) => Field::Str(text.to_owned()),
        }
    }

    #[test]
    fn values_are_read_back_as_they_were() {
        let bytes = write_bytes(|out| Box::new(Parquet::new(out)), &columns(), ROWS);
        let reader = read(bytes);
        let rows = reader.get_row_iter(None).unwrap();
        let found: Vec<Vec<(String, Field)>> =
            rows.map(|row| row.unwrap().into_columns()).collect();
        let names = ["id", "similarity", "text"];
        let expected: Vec<Vec<(String, Field)>> = ROWS
            .iter()
            .map(|row| {
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(row.iter().map(field))
                    .collect()
            })
            .collect();
        assert_eq!(found, expected);
        let metadata = reader.metadata().file_metadata().key_value_metadata();
        let meaning = KeyValue::new("meaning of id".to_owned(), "The id.".to_owned());
        assert!(metadata.unwrap().contains(&meaning));
    }

    #[test]
    fn many_rows_are_written_in_groups() {
        let row = [Cell::Integer(1), Cell::Null, Cell::Text("a")];
        let rows = vec![row; 2 * GROUP_ROWS + 1];
        let bytes = write_bytes(|out| Box::new(Parquet::new(out)), &columns(), &rows);
        let metadata = read(bytes).metadata().clone();
        let n_rows: Vec<i64> = metadata
            .row_groups()
            .iter()
            .map(|group| group.num_rows())
            .collect();
        assert_eq!(n_rows, [GROUP_ROWS as i64, GROUP_ROWS as i64, 1]);
    }

    #[test]
    fn tables_without_rows_have_their_columns() {
        let reader = read(write_bytes(
            |out| Box::new(Parquet::new(out)),
            &columns(),
            &[],
        ));
        let metadata = reader.metadata().file_metadata();
        assert_eq!(
            (metadata.num_rows(), metadata.schema_descr().num_columns()),
            (0, 3)
        );
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        let mut document = Parquet::new(Vec::new());
        document.begin("table", &columns()).unwrap();
        let row = [Cell::Integer(1), Cell::Integer(1), Cell::Null];
        let message = document.row(&row).unwrap_err().to_string();
        let expected =
            "the column `similarity` of the table `table` holds INTEGER where REAL was described";
        assert_eq!(message, expected);
    }
}
