//! What a call costs beside the arithmetic.

use crate::testing::{Bench, GOOD, ROW, credit};

#[test]
fn more_rows_allocate_no_more() {
    let mut bench = Bench::new(credit());
    let body = |rows: usize| {
        let rows: Vec<&str> = (0..rows).map(|at| if at % 3 == 0 { GOOD } else { ROW }).collect();
        format!("{{\"data\":[{}]}}", rows.join(","))
    };
    let (few, many) = (body(2), body(90));
    let mut count = |body: &str| {
        let mut status = 0;
        let counted = allocation_counter::measure(|| status = bench.post("score", body).status.as_u16());
        assert_eq!(status, 200);
        counted.count_total
    };
    // The buffers grow with the largest call so far.
    count(&many);
    assert_eq!(count(&many), count(&few));
}
