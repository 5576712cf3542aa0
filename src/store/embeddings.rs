//! Embeddings: the table `embeddings`, a cache of one vector for each model and text.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::Failure;
use super::values::{blob, integer, vector};
use super::{ModelId, Store, StoreError};

impl Store {
    /// Those of `texts` that have no stored embedding by `model`: each once, in order.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn missing_embeddings<'t>(
        &self,
        model: ModelId,
        texts: &[&'t str],
    ) -> Result<Vec<&'t str>, StoreError> {
        self.read("look for embeddings", |view| {
            let mut select =
                view.prepare_cached("SELECT 1 FROM embeddings WHERE model_id = ?1 AND text = ?2")?;
            let mut seen = HashSet::new();
            let mut missing = Vec::new();
            for text in texts.iter().filter(|text| seen.insert(**text)) {
                if !select.exists(params![model, text])? {
                    missing.push(*text);
                }
            }
            Ok(missing)
        })
    }

    /// The stored embeddings by `model` of those of `texts` that have one, bit for bit as they were inserted.
    ///
    /// # Errors
    /// `Value` when a vector is not as long as it was, or not finite.
    pub fn embeddings(
        &self,
        model: ModelId,
        texts: &[&str],
    ) -> Result<HashMap<String, Vec<f32>>, StoreError> {
        self.read("read embeddings", |view| {
            let mut select = view.prepare_cached(
                "SELECT vector, dim FROM embeddings WHERE model_id = ?1 AND text = ?2",
            )?;
            let mut found = HashMap::with_capacity(texts.len());
            for text in texts {
                let mut rows = select.query(params![model, text])?;
                if let Some(row) = rows.next()? {
                    let bytes = row
                        .get_ref("vector")?
                        .as_blob()
                        .map_err(rusqlite::Error::from)?;
                    found.insert((*text).to_owned(), vector(bytes, row.get("dim")?)?);
                }
            }
            Ok(found)
        })
    }

    /// Stores embeddings by `model`, all or none; a text that has its embedding already keeps it.
    ///
    /// # Errors
    /// `Value` when vectors are empty, not finite, or of another length than others of this model.
    pub fn insert_embeddings(
        &mut self,
        model: ModelId,
        embeddings: &[(&str, &[f32])],
    ) -> Result<(), StoreError> {
        self.write("store embeddings", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO embeddings (model_id, text, dim, vector) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (model_id, text) DO NOTHING",
            )?;
            let Some((_, first)) = embeddings.first() else {
                return Ok(());
            };
            let dim = dim_of(transaction, model)?.unwrap_or(integer(first.len())?);
            for (text, vector) in embeddings {
                let found = integer(vector.len())?;
                if found != dim {
                    let reason =
                        format!("a vector has dim {found}, others of its model have {dim}");
                    return Err(Failure::Value(reason));
                }
                insert.execute(params![model, text, dim, blob(vector)?])?;
            }
            Ok(())
        })
    }
}

/// The length of the model's vectors; None while it has none.
fn dim_of(connection: &Connection, model: ModelId) -> Result<Option<i64>, Failure> {
    let mut select =
        connection.prepare_cached("SELECT dim FROM embeddings WHERE model_id = ?1 LIMIT 1")?;
    Ok(select.query_row([model], |row| row.get(0)).optional()?)
}
