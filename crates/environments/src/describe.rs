//! From a definition file's environment to what a server is asked for. Files beside it are read by the caller.

use definitions::assets::Packages;
use definitions::{
    Conda, Environment, EnvironmentUse, MlModel, Reference, Requirement, Selector, read, read_requirements,
};
use domain::{CondaRequirement, EnvironmentSpec, Fault, Name, PackageSpec, Version};

/// Reads a file beside the definition: its path as written there → its text.
pub type Beside<'b> = &'b dyn Fn(&str) -> Result<String, Fault>;

/// What a definition's environment asks for.
pub fn of_environment(environment: &Environment, beside: Beside<'_>) -> Result<EnvironmentSpec, Fault> {
    let mut packages = match &environment.packages {
        Packages::System => return Ok(EnvironmentSpec::System),
        Packages::Named(name) => {
            return Ok(EnvironmentSpec::Named { interpreter: Name::new(name.as_str())? });
        }
        Packages::Conda(conda) => of_conda(conda),
        Packages::CondaFile(path) => return with_image(of_text(path, &beside(path)?)?, environment),
        Packages::RequirementsFile(path) => of_requirements(&read_requirements(path, &beside(path)?)?),
    };
    packages.image.clone_from(&environment.image);
    Ok(EnvironmentSpec::Packages(packages))
}

fn with_image(mut packages: PackageSpec, environment: &Environment) -> Result<EnvironmentSpec, Fault> {
    packages.image.clone_from(&environment.image);
    Ok(EnvironmentSpec::Packages(packages))
}

/// What a job or deployment asks for that names an environment; nothing named means this machine's interpreter.
pub fn of_use(used: Option<&EnvironmentUse>, beside: Beside<'_>) -> Result<EnvironmentSpec, Fault> {
    match used {
        None => Ok(EnvironmentSpec::System),
        Some(EnvironmentUse::Inline(environment)) => of_environment(environment, beside),
        Some(EnvironmentUse::Reference(reference)) => of_reference(reference, beside),
    }
}

fn of_reference(reference: &Reference, beside: Beside<'_>) -> Result<EnvironmentSpec, Fault> {
    match reference {
        Reference::Registered { name, version } => {
            let number = |text: &str| {
                text.parse().map(Version).map_err(|_| {
                    Fault::invalid(format!(
                        "azureml:{name}:{text}: versions here are numbers: write one, or @latest"
                    ))
                })
            };
            let version = match version {
                Selector::Latest => None,
                Selector::Version(text) => Some(number(text)?),
                Selector::Label(label) => {
                    return Err(Fault::invalid(format!(
                        "azureml:{name}@{label}: of an environment only @latest is known"
                    )));
                }
            };
            Ok(EnvironmentSpec::Registered { name: name.clone(), version })
        }
        // An environment of a vendor's registry is the one of the same name here, once somebody registered it.
        Reference::Registry { name, .. } => {
            Ok(EnvironmentSpec::Registered { name: Name::new(name.as_str())?, version: None })
        }
        Reference::Local(path) => {
            let text = beside(path)?;
            if definitions::kind(path, &text)? == Some(definitions::Kind::Conda) {
                return of_text(path, &text).map(EnvironmentSpec::Packages);
            }
            let parsed = read::<Environment>(path, &text)?;
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let below = |file: &str| {
                beside(&if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") })
            };
            of_environment(&parsed.value, &below)
        }
        other => Err(Fault::invalid(format!(
            "'{other}' is no environment: write azureml:NAME:VERSION or a conda file"
        ))),
    }
}

/// What a conda file or a `requirements.txt` asks for, told apart by the name: `.txt` is the latter.
pub fn of_text(file: &str, text: &str) -> Result<PackageSpec, Fault> {
    if std::path::Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")) {
        return Ok(of_requirements(&read_requirements(file, text)?));
    }
    Ok(of_conda(&read::<Conda>(file, text)?.value))
}

/// Files of an MLflow model's folder that say what it needs.
pub const MLFLOW_FILES: [&str; 3] = ["MLmodel", "conda.yaml", "requirements.txt"];
/// Packages that load a model folder.
const LOADERS: [&str; 2] = ["mlflow", "mlflow-skinny"];

/// What the folder of an MLflow model asks for: its `conda.yaml` (interpreter and packages), else its `requirements.txt`; nothing when
/// it has neither. The package that loads it is added where it is not named, in the version that saved it.
pub fn of_mlflow<'t>(read_file: &dyn Fn(&str) -> Option<&'t str>) -> Result<Option<PackageSpec>, Fault> {
    let [_, conda, requirements] = MLFLOW_FILES;
    let found = [conda, requirements].into_iter().find_map(|file| Some((file, read_file(file)?)));
    let Some((file, text)) = found else { return Ok(None) };
    let mut packages = of_text(file, text)?;
    let names = |line: &String| {
        definitions::requirements::one(line).is_ok_and(|r| LOADERS.contains(&r.name.as_str()))
    };
    let listed = packages.pip.iter().any(names)
        || packages.conda.iter().any(|package| LOADERS.contains(&package.name.as_str()));
    if !listed {
        let described =
            read_file(MLFLOW_FILES[0]).and_then(|text| read::<MlModel>(MLFLOW_FILES[0], text).ok());
        let saved =
            described.and_then(|model| Some(model.value.all.get("mlflow_version")?.as_str()?.to_owned()));
        packages.pip.push(saved.map_or("mlflow".to_owned(), |version| format!("mlflow=={version}")));
    }
    Ok(Some(packages))
}

fn of_conda(conda: &Conda) -> PackageSpec {
    let package = |p: &definitions::conda::CondaPackage| CondaRequirement {
        name: p.name.clone(),
        version: p.version.clone(),
    };
    PackageSpec {
        python: conda.python.clone(),
        conda: conda.packages.iter().map(package).collect(),
        pip: conda.pip.iter().map(Requirement::text).collect(),
        ..PackageSpec::default()
    }
}

fn of_requirements(requirements: &[Requirement]) -> PackageSpec {
    PackageSpec { pip: requirements.iter().map(Requirement::text).collect(), ..PackageSpec::default() }
}

/// Lets the pins of an environment give way, where it has any.
pub fn relaxed(spec: EnvironmentSpec) -> EnvironmentSpec {
    match spec {
        EnvironmentSpec::Packages(packages) => {
            EnvironmentSpec::Packages(PackageSpec { relax_pins: true, ..packages })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use definitions::{CommandJob, OnlineDeployment};

    fn beside(path: &str) -> Result<String, Fault> {
        match path {
            "conda.yml" | "envs/conda.yml" => {
                Ok("dependencies: [python=3.11, numpy=1.2, {pip: [joblib]}]\n".to_owned())
            }
            "envs/env.yml" => Ok("name: e\nimage: i\nconda_file: conda.yml\n".to_owned()),
            "r.txt" => Ok("joblib==1.0\n".to_owned()),
            other => Err(Fault::not_found("file", other)),
        }
    }

    fn job(environment: &str) -> Result<EnvironmentSpec, Fault> {
        let text = format!("command: x\nenvironment: {environment}\n");
        of_use(read::<CommandJob>("job.yml", &text)?.value.environment.as_ref(), &beside)
    }

    #[test]
    fn an_mlflow_model_brings_its_packages() {
        const CONDA: &str =
            "dependencies: [python=3.11.2, pip<=23.0, {pip: [mlflow==3.1.0, scikit-learn==1.5.0]}]\n";
        let of = |files: &'static [(&str, &str)]| {
            of_mlflow(&|name| files.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)).unwrap()
        };
        let packages = of(&[("conda.yaml", CONDA), ("requirements.txt", "other\n")]).unwrap();
        assert_eq!(packages.python.as_deref(), Some("3.11.2"));
        assert_eq!(packages.pip, ["mlflow==3.1.0", "scikit-learn==1.5.0"]);
        const SAVED: &str = "flavors: {python_function: {}}\nmlflow_version: 2.9.1\n";
        let packages = of(&[("requirements.txt", "joblib\n"), ("MLmodel", SAVED)]).unwrap();
        assert_eq!(packages.pip, ["joblib", "mlflow==2.9.1"]);
        assert_eq!(of(&[("requirements.txt", "joblib\n")]).unwrap().pip, ["joblib", "mlflow"]);
        assert_eq!(of(&[("MLmodel", SAVED)]), None);
    }

    #[test]
    fn what_a_job_names_becomes_what_is_asked_for() {
        let EnvironmentSpec::Packages(packages) = job("{conda_file: conda.yml, image: i}").unwrap() else {
            panic!()
        };
        assert_eq!((packages.python.as_deref(), packages.image.as_deref()), (Some("3.11"), Some("i")));
        assert_eq!(packages.conda[0].name, "numpy");
        assert_eq!(job("{image: i}").unwrap(), EnvironmentSpec::System);
        assert!(
            matches!(job("file:envs/env.yml").unwrap(), EnvironmentSpec::Packages(p) if p.pip == ["joblib"])
        );
        assert!(
            matches!(job("{requirements_file: r.txt}").unwrap(), EnvironmentSpec::Packages(p) if p.pip == ["joblib==1.0"])
        );
        assert!(matches!(
            job("azureml:e:2").unwrap(),
            EnvironmentSpec::Registered { version: Some(Version(2)), .. }
        ));
        let vendor = job("azureml://registries/azureml/environments/sklearn-1.5/labels/latest").unwrap();
        assert!(matches!(vendor, EnvironmentSpec::Registered { version: None, .. }));
        assert!(job("azureml:e:two").unwrap_err().message.contains("versions here are numbers"));
        assert!(job("{conda_file: none.yml}").is_err());
        let deployment =
            read::<OnlineDeployment>("d", "name: d\nenvironment: {python: research}\n").unwrap().value;
        let named = of_use(deployment.environment.as_ref(), &beside).unwrap();
        assert!(matches!(named, EnvironmentSpec::Named { .. }));
    }
}
