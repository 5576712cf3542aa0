-- The encoders that an experiment names, in its order: the first is the one whose figures are shown.
ALTER TABLE experiment_models ADD COLUMN encoder_idx INTEGER CHECK (encoder_idx >= 0);
