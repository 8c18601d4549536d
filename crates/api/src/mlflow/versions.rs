//! Model versions: made from a source, changed, searched, loaded.

use super::registry::{
    changed, fault, listed, named, search as read_search, shown_version, tags, text_of_version,
    version_number,
};
use super::wire::{Answer, Empty, Object, Params, empty, wrong};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use domain::{Actor, ModelName, ModelVersion, Role, RunId, Scope, Stage, Version};
use gateway::Made;
use registry::{FromSource, Source, VersionChange, VersionFacts};
use serde_json::{Value, json};
use web::{Contributor, MlflowCode, MlflowError, OfModel, OrJob, Reader, Visible, Within};

/// Versions of one answer at most, and when nothing is said.
const PAGE: u32 = 10_000;

/// `POST model-versions/create`
pub async fn create(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.may_make(&who)?;
    let source = params.required("source")?;
    let run = params.filled("run_id")?;
    let run =
        run.map(|id| RunId::try_from(id.clone()).map_err(|_| wrong("run_id", &json!(id)))).transpose()?;
    let tags = tags(&params)?;
    may_take(&who, &Source::of(&source, &tags).map_err(fault)?)?;
    let facts = VersionFacts {
        description: params.text("description")?.unwrap_or_default().to_owned(),
        tags,
        run,
        ..VersionFacts::default()
    };
    let new = FromSource {
        name: name.clone(),
        run_link: params.text("run_link")?.unwrap_or_default().to_owned(),
        model_id: params.filled("model_id")?,
        facts,
        source: source.clone(),
    };
    let made = app.registry.register_source(new, by).await.map_err(|error| match fault(error) {
        e if e.message == format!("no model named '{name}'") => super::models::absent_named(&name),
        e if e.error_code == MlflowCode::ResourceDoesNotExist => MlflowError::absent(format!(
            "Unable to fetch model from model URI source artifact location '{source}'. Error: {}",
            e.message
        )),
        e => e,
    })?;
    app.made(&who, Made::Version(name, made.version));
    Ok(Json(json!({ "model_version": shown_version(&app, made) })))
}

/// Who makes a version takes what another thing holds, and must be allowed to read that.
fn may_take(who: &OrJob<Within<OfModel, Contributor>>, source: &Source) -> Answer<()> {
    let scope = match source {
        Source::Remote => return Ok(()),
        Source::Version(name, _) => Scope::Model(name.clone()),
        Source::Logged(_) | Source::Run(..) | Source::Artifacts(_) => Scope::Workspace,
    };
    if who.may(Role::Reader, &scope) {
        return Ok(());
    }
    let text = format!("the source needs the role reader on {scope}, which the caller has not");
    Err(MlflowError::new(MlflowCode::PermissionDenied, text))
}

/// `GET model-versions/get`
pub async fn get(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let found = asked(&app, &ask.object(), |scope| who.on(scope).map(drop)).await?;
    Ok(Json(json!({ "model_version": shown_version(&app, found) })))
}

/// `GET model-versions/get-download-uri`
pub async fn download_uri(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let found = asked(&app, &ask.object(), |scope| who.on(scope).map(drop)).await?;
    // Files of runs are the workspace's: who may read the model alone takes them from the version itself.
    let all = who.may(Role::Reader, &Scope::Workspace);
    let uri = if all { app.registry.location(&found) } else { app.registry.own_location(&found) };
    Ok(Json(json!({ "artifact_uri": uri })))
}

/// `PATCH model-versions/update`
pub async fn update(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let (params, target) = (ask.object(), Target::read(&app, &who, &ask)?);
    let description = params.text("description")?.unwrap_or_default().to_owned();
    let made = target.change(&app, VersionChange::Description(description)).await?;
    Ok(Json(json!({ "model_version": shown_version(&app, made) })))
}

/// `POST model-versions/transition-stage`
pub async fn transition(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let (params, target) = (ask.object(), Target::read(&app, &who, &ask)?);
    let stage = stage(&params.required("stage")?)?;
    let archive = params.flag("archive_existing_versions")?.unwrap_or_default();
    if archive && who.job().is_some() {
        return Err(who.foreign("the versions that would be archived").into());
    }
    let made = target.change(&app, VersionChange::Stage(stage, archive)).await?;
    Ok(Json(json!({ "model_version": shown_version(&app, made) })))
}

/// `DELETE model-versions/delete`
pub async fn delete(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let Target { name, version, by } = Target::read(&app, &who, &ask)?;
    let deleted = app.registry.delete_version(&name, version, by).await;
    deleted.map_err(|e| changed(absent(&name, version, e), ""))?;
    Ok(empty())
}

/// `POST model-versions/set-tag`
pub async fn set_tag(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let target = Target::read(&app, &who, &ask)?;
    let (key, value) = super::registry::tag(&ask.object())?;
    target.change(&app, VersionChange::Tag(key, value)).await?;
    Ok(empty())
}

/// `DELETE model-versions/delete-tag`
pub async fn delete_tag(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let target = Target::read(&app, &who, &ask)?;
    let key = ask.object().required("key")?;
    app.registry
        .version(&target.name, target.version)
        .await
        .map_err(|e| absent(&target.name, target.version, e))?;
    match target.change(&app, VersionChange::NoTag(key)).await {
        // A tag that is not there is as good as deleted.
        Err(e) if e.error_code == MlflowCode::ResourceDoesNotExist => Ok(empty()),
        other => other.map(|_| empty()),
    }
}

/// `GET model-versions/search`
pub async fn search(who: OrJob<Visible>, State(app): State<App>, ask: Params) -> Answer<Json<Value>> {
    let (search, page) =
        read_search(&who, &app, &ask, (&domain::filter::MODEL_VERSIONS, PAGE, 200_000)).await?;
    let (search, page) = (
        registry::Search { limit: search.limit.min(PAGE + 1), ..search },
        super::registry::Page { limit: page.limit.min(PAGE), ..page },
    );
    let (versions, next) = page.cut(app.registry.search_versions(&search).await.map_err(fault)?);
    let shown = versions.into_iter().map(|v| shown_version(&app, v)).collect();
    Ok(Json(listed("model_versions", shown, next)))
}

/// A version that a call changes, and who.
struct Target<'a> {
    name: ModelName,
    version: Version,
    by: &'a Actor,
}

impl<'a> Target<'a> {
    /// The version that a call changes; a job's own when a job calls.
    fn read(app: &App, who: &'a OrJob<Within<OfModel, Contributor>>, ask: &Params) -> Answer<Self> {
        let params = ask.object();
        let name = named(&params, "name")?;
        let by = who.on(&Scope::Model(name.clone()))?;
        let version = version_number(&text_of_version(&params)?)?;
        app.own_version(who, &name, version)?;
        Ok(Self { version, name, by })
    }

    async fn change(&self, app: &App, change: VersionChange) -> Answer<ModelVersion> {
        let made = app.registry.change_version(&self.name, self.version, change, self.by).await;
        made.map_err(|e| absent(&self.name, self.version, e))
    }
}

/// The version that a call asks for.
async fn asked(
    app: &App,
    params: &Object<'_>,
    allowed: impl Fn(&Scope) -> Result<(), web::Problem>,
) -> Answer<ModelVersion> {
    let name = named(params, "name")?;
    allowed(&Scope::Model(name.clone()))?;
    let version = version_number(&text_of_version(params)?)?;
    app.registry.version(&name, version).await.map_err(|e| absent(&name, version, e))
}

/// A stage by its word.
pub(super) fn stage(text: &str) -> Answer<Stage> {
    Stage::read(text).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        let known = Stage::ALL.map(Stage::as_str).join(", ");
        MlflowError::invalid(format!("Invalid Model Version stage: {shown}. Value must be one of {known}."))
    })
}

/// An error that is told as the absence of a version when it is one.
pub(super) fn absent(name: &ModelName, version: Version, error: ::registry::Error) -> MlflowError {
    match fault(error) {
        e if e.error_code == MlflowCode::ResourceDoesNotExist => {
            MlflowError::absent(format!("Model Version (name={name}, version={version}) not found"))
        }
        e => e,
    }
}

/// The version of `/model-versions/get-artifact`.
pub(super) async fn named_version(
    app: &App,
    ask: &Params,
    allowed: impl Fn(&Scope) -> Result<(), web::Problem>,
) -> Answer<ModelVersion> {
    asked(app, &ask.object(), allowed).await
}
