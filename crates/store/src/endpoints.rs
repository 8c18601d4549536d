//! Endpoints: stable names over deployments, their traffic and their keys' generations.

use crate::assignments;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json, to_word};
use domain::{Actor, Endpoint, EndpointUpdate, KeySlot, Name, Timestamp};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;
use std::fmt;

/// The most percent of the calls that are mirrored.
const MIRROR_MAX: u8 = 50;

/// A key to replace.
pub struct KeyChange<'a> {
    /// The endpoint.
    pub endpoint: &'a Name,
    /// Which of its keys.
    pub slot: KeySlot,
    /// The key's text by its generation.
    pub derive: &'a (dyn Fn(u32) -> String + Sync),
}

impl fmt::Debug for KeyChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyChange {{ {} {:?} }}", self.endpoint, self.slot)
    }
}

impl Store {
    /// Keeps a new endpoint and gives it as it stands: after an earlier endpoint of the same name the keys' generations go
    /// on from there, so that no old key lives again.
    pub async fn add_endpoint(&self, endpoint: &Endpoint, by: &Actor) -> Result<Endpoint> {
        let mut write = self.write().await?;
        if find(write.conn(), &endpoint.name).await?.is_some() {
            return Err(Error::Conflict(format!("the endpoint '{}' exists already", endpoint.name)));
        }
        let mut endpoint = endpoint.clone();
        let floor = retired(write.conn(), &endpoint.name).await?;
        for (generation, floor) in endpoint.key_generations.iter_mut().zip(floor) {
            *generation = (*generation).max(floor);
        }
        insert(write.conn(), &endpoint).await?;
        let detail = json!({
            "docs_public": endpoint.docs_public,
            "public_network_access": endpoint.public_network_access,
            "key_generations": endpoint.key_generations,
        });
        let change = Change::new("create endpoint", endpoint.name.as_str(), detail);
        write.note(by, endpoint.created, change).await?;
        write.commit().await?;
        Ok(endpoint)
    }

    /// An endpoint.
    pub async fn endpoint(&self, name: &Name) -> Result<Endpoint> {
        let row = sqlx::query("SELECT * FROM endpoints WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("endpoint", name))?;
        decode(&row)
    }

    /// All endpoints by name.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let rows = sqlx::query("SELECT * FROM endpoints ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }

    /// Removes an endpoint and its deployments; refused while an API points at it.
    pub async fn delete_endpoint(&self, name: &Name, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        let endpoint = expect(write.conn(), name).await?;
        let api = sqlx::query("SELECT path FROM apis WHERE endpoint = $1 ORDER BY path LIMIT 1")
            .bind(name.as_str())
            .fetch_optional(write.conn())
            .await?;
        if let Some(api) = api {
            let path = api.text("path")?;
            return Err(Error::Conflict(format!(
                "the API '{path}' points at the endpoint '{name}': unpublish it first"
            )));
        }
        retire(write.conn(), &endpoint).await?;
        assignments::forget(write.conn(), &domain::Scope::Endpoint(name.clone())).await?;
        for sql in ["DELETE FROM deployments WHERE endpoint = $1", "DELETE FROM endpoints WHERE name = $1"] {
            sqlx::query(sql).bind(name.as_str()).execute(write.conn()).await?;
        }
        write.note(by, now, Change::plain("delete endpoint", name.as_str())).await?;
        write.commit().await
    }

    /// Sets the percent of each deployment; they must exist and sum to 100, or to 0 when nothing is to be served.
    pub async fn set_traffic(
        &self,
        name: &Name,
        traffic: &BTreeMap<Name, u8>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Endpoint> {
        check_traffic(traffic)?;
        let mut write = self.write().await?;
        let mut endpoint = expect(write.conn(), name).await?;
        expect_deployments(write.conn(), name, traffic.keys()).await?;
        endpoint.traffic.clone_from(traffic);
        store_traffic(write.conn(), name, traffic).await?;
        write.note(by, now, Change::new("set traffic", name.as_str(), json!(traffic))).await?;
        write.commit().await?;
        Ok(endpoint)
    }

    /// Makes one of the two keys a new one, by raising its generation. Named values that hold the old key, alone or behind
    /// `Bearer `, take the new one in the same transaction: whoever calls with them never meets a key that is not there. Gives
    /// the endpoint and the names of those values.
    pub async fn regenerate_key(
        &self,
        key: &KeyChange<'_>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(Endpoint, Vec<Name>)> {
        let mut write = self.write().await?;
        let mut endpoint = expect(write.conn(), key.endpoint).await?;
        let at = usize::from(key.slot == KeySlot::Secondary);
        let old = endpoint.key_generations[at];
        let next = old
            .checked_add(1)
            .ok_or_else(|| Error::Conflict("this key cannot be regenerated any more".to_owned()))?;
        endpoint.key_generations[at] = next;
        sqlx::query(
            "UPDATE endpoints SET primary_generation = $1, secondary_generation = $2 WHERE name = $3",
        )
        .bind(i64::from(endpoint.key_generations[0]))
        .bind(i64::from(endpoint.key_generations[1]))
        .bind(key.endpoint.as_str())
        .execute(write.conn())
        .await?;
        let texts = [(key.derive)(old), (key.derive)(next)];
        let named = self.rekey_named_values(write.conn(), &texts, now).await?;
        let detail = json!({"slot": key.slot, "generation": next, "named_values": named});
        write.note(by, now, Change::new("regenerate key", key.endpoint.as_str(), detail)).await?;
        write.commit().await?;
        Ok((endpoint, named))
    }

    /// Puts the new key into every secret named value that holds the old one. One that may be shown again stays as it is: keys are
    /// their owner's, and the API whose policy names it then refuses its calls.
    async fn rekey_named_values(
        &self,
        conn: &mut SqliteConnection,
        [old, new]: &[String; 2],
        now: Timestamp,
    ) -> Result<Vec<Name>> {
        let rows = sqlx::query("SELECT name, sealed FROM named_values WHERE secret ORDER BY name")
            .fetch_all(&mut *conn)
            .await?;
        let mut changed = Vec::new();
        for row in rows {
            let name = row.name("name")?;
            let purpose = format!("named-value:{name}");
            let content = self.unseal(&purpose, &row.text("sealed")?)?;
            let Some(prefix) = content.strip_suffix(old.as_bytes()) else { continue };
            if !prefix.is_empty() && !prefix.eq_ignore_ascii_case(b"bearer ") {
                continue;
            }
            let content = zeroize::Zeroizing::new([prefix, new.as_bytes()].concat());
            sqlx::query("UPDATE named_values SET sealed = $1, updated = $2 WHERE name = $3")
                .bind(self.seal(&purpose, &content)?)
                .bind(now.micros())
                .bind(name.as_str())
                .execute(&mut *conn)
                .await?;
            changed.push(name);
        }
        Ok(changed)
    }

    /// Changes what is stated of an endpoint's settings; the rest stays.
    pub async fn update_endpoint(
        &self,
        (name, update): (&Name, &EndpointUpdate),
        by: &Actor,
        now: Timestamp,
    ) -> Result<Endpoint> {
        let mut write = self.write().await?;
        let mut endpoint = expect(write.conn(), name).await?;
        endpoint.docs_public = update.docs_public.unwrap_or(endpoint.docs_public);
        endpoint.public_network_access =
            update.public_network_access.unwrap_or(endpoint.public_network_access);
        if let Some(text) = &update.description {
            endpoint.description.clone_from(text);
        }
        if let Some(tags) = &update.tags {
            endpoint.tags.clone_from(tags);
        }
        change_traffic(write.conn(), &mut endpoint, update).await?;
        sqlx::query(
            "UPDATE endpoints SET docs_public = $1, public_network_access = $2, description = $3, tags = $4 \
             WHERE name = $5",
        )
        .bind(endpoint.docs_public)
        .bind(to_word(&endpoint.public_network_access)?)
        .bind(&endpoint.description)
        .bind(to_json(&endpoint.tags)?)
        .bind(name.as_str())
        .execute(write.conn())
        .await?;
        write.note(by, now, Change::new("update endpoint", name.as_str(), json!(update))).await?;
        write.commit().await?;
        Ok(endpoint)
    }
}

/// Sets the traffic and the mirror that an update states.
async fn change_traffic(
    conn: &mut SqliteConnection,
    endpoint: &mut Endpoint,
    update: &EndpointUpdate,
) -> Result<()> {
    if let Some(traffic) = &update.traffic {
        check_traffic(traffic)?;
        expect_deployments(conn, &endpoint.name, traffic.keys()).await?;
        store_traffic(conn, &endpoint.name, traffic).await?;
        endpoint.traffic.clone_from(traffic);
    }
    if let Some(mirrored) = &update.mirror_traffic {
        let mirrored: BTreeMap<Name, u8> =
            mirrored.iter().filter(|(_, percent)| **percent > 0).map(|(n, p)| (n.clone(), *p)).collect();
        check_mirror(&mirrored)?;
        expect_deployments(conn, &endpoint.name, mirrored.keys()).await?;
        store_mirror(conn, &endpoint.name, &mirrored).await?;
        endpoint.mirror_traffic = mirrored;
    }
    Ok(())
}

fn check_traffic(traffic: &BTreeMap<Name, u8>) -> Result<()> {
    let sum: u32 = traffic.values().map(|p| u32::from(*p)).sum();
    if sum != 100 && sum != 0 {
        return Err(Error::Invalid(format!("the traffic sums to {sum}: it must be 100, or 0 for none")));
    }
    Ok(())
}

fn check_mirror(mirrored: &BTreeMap<Name, u8>) -> Result<()> {
    if mirrored.len() > 1 {
        return Err(Error::Invalid("calls are mirrored to one deployment only: name one".to_owned()));
    }
    if let Some(percent) = mirrored.values().find(|percent| **percent > MIRROR_MAX) {
        return Err(Error::Invalid(format!(
            "{percent} percent of the calls cannot be mirrored: at most {MIRROR_MAX}"
        )));
    }
    Ok(())
}

/// Refuses a name that is no deployment of the endpoint.
async fn expect_deployments(
    conn: &mut SqliteConnection,
    endpoint: &Name,
    names: impl Iterator<Item = &Name>,
) -> Result<()> {
    for deployment in names {
        let found = sqlx::query("SELECT 1 FROM deployments WHERE endpoint = $1 AND name = $2")
            .bind(endpoint.as_str())
            .bind(deployment.as_str())
            .fetch_optional(&mut *conn)
            .await?;
        if found.is_none() {
            return Err(Error::not_found("deployment", format_args!("{endpoint}/{deployment}")));
        }
    }
    Ok(())
}

/// The endpoint, or an error that names it.
pub(crate) async fn expect(conn: &mut SqliteConnection, name: &Name) -> Result<Endpoint> {
    find(conn, name).await?.ok_or_else(|| Error::not_found("endpoint", name))
}

async fn find(conn: &mut SqliteConnection, name: &Name) -> Result<Option<Endpoint>> {
    let row = sqlx::query("SELECT * FROM endpoints WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(decode).transpose()
}

/// Writes an endpoint's traffic.
pub(crate) async fn store_traffic(
    conn: &mut SqliteConnection,
    name: &Name,
    traffic: &BTreeMap<Name, u8>,
) -> Result<()> {
    sqlx::query("UPDATE endpoints SET traffic = $1 WHERE name = $2")
        .bind(to_json(traffic)?)
        .bind(name.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes which deployment gets copies of calls.
pub(crate) async fn store_mirror(
    conn: &mut SqliteConnection,
    name: &Name,
    mirrored: &BTreeMap<Name, u8>,
) -> Result<()> {
    sqlx::query("UPDATE endpoints SET mirror_traffic = $1 WHERE name = $2")
        .bind(to_json(mirrored)?)
        .bind(name.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert(conn: &mut SqliteConnection, e: &Endpoint) -> Result<()> {
    sqlx::query(
        "INSERT INTO endpoints (name, auth_mode, docs_public, description, traffic, primary_generation, \
         secondary_generation, created, public_network_access, mirror_traffic, tags) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(e.name.as_str())
    .bind(to_word(&e.auth_mode)?)
    .bind(e.docs_public)
    .bind(&e.description)
    .bind(to_json(&e.traffic)?)
    .bind(i64::from(e.key_generations[0]))
    .bind(i64::from(e.key_generations[1]))
    .bind(e.created.micros())
    .bind(to_word(&e.public_network_access)?)
    .bind(to_json(&e.mirror_traffic)?)
    .bind(to_json(&e.tags)?)
    .execute(conn)
    .await?;
    Ok(())
}

/// The lowest generations a new endpoint of this name may use.
async fn retired(conn: &mut SqliteConnection, name: &Name) -> Result<[u32; 2]> {
    let row =
        sqlx::query("SELECT primary_generation, secondary_generation FROM retired_keys WHERE endpoint = $1")
            .bind(name.as_str())
            .fetch_optional(conn)
            .await?;
    match row {
        Some(row) => Ok([row.unsigned("primary_generation")?, row.unsigned("secondary_generation")?]),
        None => Ok([0, 0]),
    }
}

async fn retire(conn: &mut SqliteConnection, endpoint: &Endpoint) -> Result<()> {
    sqlx::query(
        "INSERT INTO retired_keys (endpoint, primary_generation, secondary_generation) VALUES ($1, $2, $3) \
         ON CONFLICT (endpoint) DO UPDATE SET primary_generation = excluded.primary_generation, \
         secondary_generation = excluded.secondary_generation",
    )
    .bind(endpoint.name.as_str())
    .bind(i64::from(endpoint.key_generations[0]) + 1)
    .bind(i64::from(endpoint.key_generations[1]) + 1)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads a record of `endpoints`.
pub(crate) fn decode(row: &SqliteRow) -> Result<Endpoint> {
    Ok(Endpoint {
        name: row.name("name")?,
        auth_mode: row.word("auth_mode")?,
        docs_public: row.try_get("docs_public")?,
        public_network_access: row.word("public_network_access")?,
        description: row.text("description")?,
        traffic: row.json("traffic")?,
        mirror_traffic: row.json("mirror_traffic")?,
        tags: row.json("tags")?,
        key_generations: [row.unsigned("primary_generation")?, row.unsigned("secondary_generation")?],
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests;
