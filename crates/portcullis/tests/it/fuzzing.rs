//! The fuzz targets' bodies over their seeds and over damaged seeds, without a fuzzer. `http` runs in `web`'s own tests.

#[path = "../../../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../../../fuzz/src/mutate.rs"]
mod mutate;

/// The name of a target and its body.
type Target = (&'static str, fn(&[u8]));

#[test]
fn no_damaged_seed_breaks_a_reader() {
    let targets: [Target; 13] = [
        ("jwt", bodies::jwt),
        ("jwks", bodies::jwks),
        ("onnx", bodies::onnx),
        ("onnx_eval", bodies::onnx_eval),
        ("onnx_folding", bodies::onnx_folding),
        ("importers", bodies::importers),
        ("csv", bodies::csv),
        ("parquet", bodies::parquet),
        ("rows", bodies::rows),
        ("infer", bodies::infer),
        ("policy", bodies::policy),
        ("definitions", bodies::definitions),
        ("filter", bodies::filter),
    ];
    std::thread::scope(|scope| {
        for (target, body) in targets {
            scope.spawn(move || {
                let begun = std::time::Instant::now();
                let count = mutate::each(target, body);
                eprintln!("{target}: {count} inputs in {} ms", begun.elapsed().as_millis());
            });
        }
    });
}
