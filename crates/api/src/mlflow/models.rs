//! Registered models and their aliases.

use super::registry::{
    Shown, changed, fault, named, shown_model, shown_models, tags, text_of_version, version_number,
};
use super::wire::{Answer, Empty, Params, empty, missing};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use domain::{ModelName, Scope};
use gateway::Made;
use registry::ModelChange;
use serde_json::{Value, json};
use web::{Contributor, MlflowError, OfModel, OrJob, Reader, Visible, Within};

/// Models of one answer when nothing is said.
const PAGE: u32 = 100;
/// Models of one answer at most.
const PAGE_MAX: u32 = 1000;

/// `POST registered-models/create`
pub async fn create(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.may_make(&who)?;
    let description = params.text("description")?.unwrap_or_default();
    let made = app.registry.create_model(&name, description, &tags(&params)?, by).await;
    let made = made.map_err(|error| match fault(error) {
        e if e.error_code == web::MlflowCode::ResourceAlreadyExists => {
            MlflowError { message: format!("Registered Model (name={name}) already exists."), ..e }
        }
        e => e,
    })?;
    app.made(&who, Made::Model(name));
    Ok(Json(json!({ "registered_model": shown_model(&made, &[]) })))
}

/// `GET registered-models/get`
pub async fn get(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let name = named(&ask.object(), "name")?;
    who.on(&Scope::Model(name.clone()))?;
    let model = app.registry.model(&name).await.map_err(|e| absent(&name, e))?;
    let latest = app.registry.latest_versions(&[&name]).await.map_err(fault)?;
    Ok(Json(json!({ "registered_model": shown_model(&model, &shown_models(&app, latest)) })))
}

/// `POST registered-models/rename`
pub async fn rename(
    who: Within<OfModel, Contributor>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let (name, to) = (named(&params, "name")?, named(&params, "new_name")?);
    let by = who.on(&Scope::Model(name.clone()))?;
    // The new name is nothing yet: to take one is a matter of the workspace.
    who.on(&Scope::Model(to.clone()))?;
    let renamed = app.registry.rename_model(&name, &to, by).await;
    let renamed = renamed
        .map_err(|e| changed(absent(&name, e), &format!("Registered Model (name={to}) already exists.")))?;
    app.gateway.refresh().await?;
    let latest = app.registry.latest_versions(&[&to]).await.map_err(fault)?;
    Ok(Json(json!({ "registered_model": shown_model(&renamed, &shown_models(&app, latest)) })))
}

/// `PATCH registered-models/update`
pub async fn update(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.own_model(&who, &name)?;
    let description = params.text("description")?.unwrap_or_default().to_owned();
    let model = change(&app, &name, ModelChange::Description(description), by).await?;
    let latest = app.registry.latest_versions(&[&name]).await.map_err(fault)?;
    Ok(Json(json!({ "registered_model": shown_model(&model, &shown_models(&app, latest)) })))
}

/// `DELETE registered-models/delete`
pub async fn delete(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let name = named(&ask.object(), "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.own_model(&who, &name)?;
    app.registry.delete_model(&name, by).await.map_err(|e| changed(absent(&name, e), ""))?;
    app.gateway.refresh().await?;
    Ok(empty())
}

/// `GET registered-models/search`
pub async fn search(who: OrJob<Visible>, State(app): State<App>, ask: Params) -> Answer<Json<Value>> {
    let (search, page) =
        super::registry::search(&who, &app, &ask, (&domain::filter::REGISTERED_MODELS, PAGE, PAGE_MAX))
            .await?;
    let (models, next) = page.cut(app.registry.search_models(&search).await.map_err(fault)?);
    let names: Vec<&ModelName> = models.iter().map(|m| &m.name).collect();
    let latest = app.registry.latest_versions(&names).await.map_err(fault)?;
    let latest = shown_models(&app, latest);
    let models: Vec<Value> = models.iter().map(|model| shown_model(model, &latest)).collect();
    Ok(Json(super::registry::listed("registered_models", models, next)))
}

/// `POST` and `GET registered-models/get-latest-versions`
pub async fn latest(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    who.on(&Scope::Model(name.clone()))?;
    let stages = params.texts("stages")?;
    let stages: Vec<domain::Stage> =
        stages.iter().map(|text| super::versions::stage(text)).collect::<Answer<_>>()?;
    app.registry.model(&name).await.map_err(|e| absent(&name, e))?;
    let mut latest = app.registry.latest_versions(&[&name]).await.map_err(fault)?;
    latest.retain(|v| stages.is_empty() || stages.contains(&v.stage));
    let shown: Vec<Value> = shown_models(&app, latest).into_iter().map(|Shown(_, value)| value).collect();
    Ok(Json(super::registry::listed("model_versions", shown, None)))
}

/// `POST registered-models/set-tag`
pub async fn set_tag(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.own_model(&who, &name)?;
    let (key, value) = super::registry::tag(&params)?;
    change(&app, &name, ModelChange::Tag(key, value), by).await?;
    Ok(empty())
}

/// `DELETE registered-models/delete-tag`
pub async fn delete_tag(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    app.own_model(&who, &name)?;
    change(&app, &name, ModelChange::NoTag(params.required("key")?), by).await?;
    Ok(empty())
}

/// `POST registered-models/alias`
pub async fn set_alias(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    let alias = alias(&params)?;
    let version = version_number(&text_of_version(&params)?)?;
    app.own_version(&who, &name, version)?;
    app.registry.model(&name).await.map_err(|e| absent(&name, e))?;
    let set = app.registry.set_alias(&name, &alias, version, by).await;
    set.map_err(|e| super::versions::absent(&name, version, e))?;
    Ok(empty())
}

/// `GET registered-models/alias`
pub async fn get_alias(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    who.on(&Scope::Model(name.clone()))?;
    let alias = params.required("alias")?;
    app.registry.model(&name).await.map_err(|e| absent(&name, e))?;
    let found = app.registry.aliased(&name, &alias).await.map_err(|error| match fault(error) {
        e if e.error_code == web::MlflowCode::ResourceDoesNotExist => {
            MlflowError::invalid(format!("Registered model alias {alias} not found."))
        }
        e => e,
    })?;
    Ok(Json(json!({ "model_version": super::registry::shown_version(&app, found) })))
}

/// `DELETE registered-models/alias`
pub async fn delete_alias(
    who: OrJob<Within<OfModel, Contributor>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Empty>> {
    let params = ask.object();
    let name = named(&params, "name")?;
    let by = who.on(&Scope::Model(name.clone()))?;
    let alias = alias(&params)?;
    if who.job().is_some() {
        let stands = app.registry.aliased(&name, &alias).await.map_err(fault)?;
        app.own_version(&who, &name, stands.version)?;
    }
    app.registry.delete_alias(&name, &alias, by).await.map_err(|e| absent(&name, e))?;
    Ok(empty())
}

/// An alias; what is reserved the registry refuses itself.
fn alias(params: &super::wire::Object<'_>) -> Answer<String> {
    let alias = params.filled("alias")?.ok_or_else(|| missing("alias"))?;
    if alias.chars().count() > 255 || !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(MlflowError::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    if alias.eq_ignore_ascii_case("latest") {
        return Err(MlflowError::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    if alias.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit())) {
        return Err(MlflowError::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(alias)
}

async fn change(
    app: &App,
    name: &ModelName,
    change: ModelChange,
    by: &domain::Actor,
) -> Answer<domain::Model> {
    app.registry.change_model(name, change, by).await.map_err(|e| absent(name, e))
}

/// An error that is told as the absence of a model when it is one.
pub(super) fn absent(name: &ModelName, error: ::registry::Error) -> MlflowError {
    match fault(error) {
        e if e.error_code == web::MlflowCode::ResourceDoesNotExist => absent_named(name),
        e => e,
    }
}

/// A model that is not there.
pub(super) fn absent_named(name: &ModelName) -> MlflowError {
    MlflowError::absent(format!("Registered Model with name={name} not found"))
}
