//! Operators whose results are elements of their first input, put elsewhere: `Slice`, `Split`, `Transpose`,
//! `Tile`, `Expand`, `Pad`, `Trilu`, `GatherElements`, `GatherND`. Each says where every element comes from;
//! running and compiling follow from that.

mod grid;
mod pad;
mod picks;

use super::{Inputs, Op, Operator, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Block, Kind, Lower, Row, Shape, Span, Step, Value};
use crate::tensor::{Data, Tensor};

/// Where nothing of the input stands.
const FILL: usize = usize::MAX;

/// What such an operator has to say.
trait Moves: std::fmt::Debug + Send + Sync {
    /// Dimensions of each output.
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String>;

    /// For each element of output `output`, of dimensions `out`, its place in the input, or [`FILL`].
    fn places(
        &self,
        dims: &[usize],
        out: &[usize],
        output: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String>;

    /// What stands where nothing of the input does; otherwise zero, false or the empty text.
    fn fill(&self, _: &Inputs<'_>) -> Result<Option<Data>, String> {
        Ok(None)
    }
}

#[derive(Debug)]
struct Moved<M>(M);

fn op(moves: impl Moves + 'static) -> Op {
    Box::new(Moved(moves))
}

/// The operator of this node, when it is one of these.
pub(super) fn build(node: &Node<'_>) -> Result<Option<Op>> {
    Ok(Some(match node.op() {
        "Expand" => op(grid::Expand),
        "GatherElements" => op(picks::GatherElements { axis: node.int("axis")?.unwrap_or(0) }),
        "GatherND" => op(picks::GatherNd { batch: node.int("batch_dims")?.unwrap_or(0) }),
        "Pad" => op(pad::Pad::read(node)?),
        "Slice" => op(grid::Slice::read(node)?),
        "Split" => op(grid::Split::read(node)?),
        "Tile" if node.version < 6 => return Err(node.unsupported("Tile before version 6 is not supported")),
        "Tile" => op(grid::Tile),
        "Transpose" => op(grid::Transpose { order: node.ints("perm")?.to_vec() }),
        "Trilu" => op(picks::Trilu { upper: node.int("upper")?.unwrap_or(1) != 0 }),
        _ => return Ok(None),
    }))
}

/// Strides of a dense tensor.
fn strides(dims: &[usize]) -> Vec<usize> {
    let mut out = vec![1; dims.len()];
    for at in (1..dims.len()).rev() {
        out[at - 1] = out[at] * dims[at];
    }
    out
}

/// Calls `f` with the index of every element of a tensor of these dimensions, in order.
fn each(dims: &[usize], mut f: impl FnMut(&[usize]) -> usize) -> Vec<usize> {
    let count = dims.iter().product();
    let mut index = vec![0; dims.len()];
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(f(&index));
        for at in (0..dims.len()).rev() {
            index[at] += 1;
            if index[at] < dims[at] {
                break;
            }
            index[at] = 0;
        }
    }
    out
}

/// The elements at these places, and `fill` where there is none.
fn gather(data: &Data, places: &[usize], fill: Option<&Data>) -> Result<Data, String> {
    fn pick<T: Clone + Default>(values: &[T], places: &[usize], fill: Option<&[T]>) -> Vec<T> {
        let fill = fill.and_then(|f| f.first()).cloned().unwrap_or_default();
        places.iter().map(|&p| values.get(p).unwrap_or(&fill).clone()).collect()
    }
    Ok(match (data, fill) {
        (Data::Float(v), None) => Data::Float(pick(v, places, None)),
        (Data::Double(v), None) => Data::Double(pick(v, places, None)),
        (Data::Int64(v), None) => Data::Int64(pick(v, places, None)),
        (Data::Int32(v), None) => Data::Int32(pick(v, places, None)),
        (Data::Uint8(v), None) => Data::Uint8(pick(v, places, None)),
        (Data::Bool(v), None) => Data::Bool(pick(v, places, None)),
        (Data::Text(v), None) => Data::Text(pick(v, places, None)),
        (Data::Float(v), Some(Data::Float(f))) => Data::Float(pick(v, places, Some(f))),
        (Data::Double(v), Some(Data::Double(f))) => Data::Double(pick(v, places, Some(f))),
        (Data::Int64(v), Some(Data::Int64(f))) => Data::Int64(pick(v, places, Some(f))),
        (Data::Int32(v), Some(Data::Int32(f))) => Data::Int32(pick(v, places, Some(f))),
        (Data::Uint8(v), Some(Data::Uint8(f))) => Data::Uint8(pick(v, places, Some(f))),
        (Data::Bool(v), Some(Data::Bool(f))) => Data::Bool(pick(v, places, Some(f))),
        (Data::Text(v), Some(Data::Text(f))) => Data::Text(pick(v, places, Some(f))),
        (v, Some(f)) => return Err(format!("fills {} with {}", v.type_name(), f.type_name())),
    })
}

impl<M: Moves> Operator for Moved<M> {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let fill = self.0.fill(inputs)?;
        let all = self.0.dims(&input.dims, inputs)?;
        let total: usize = all.iter().map(|dims| inputs.count(dims)).sum::<Result<_, _>>()?;
        if total > inputs.room {
            return Err(format!("the results have more than {} elements", inputs.room));
        }
        let mut out = Vec::with_capacity(all.len());
        for (output, dims) in all.into_iter().enumerate() {
            let places = self.0.places(&input.dims, &dims, output, inputs)?;
            out.push(Tensor { data: gather(&input.data, &places, fill.as_ref())?, dims });
        }
        Ok(out)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        let mut parameters = vec![None];
        for input in &inputs[1..] {
            parameters.push(input.as_ref().map(Value::constant).transpose()?.map(AsRef::as_ref));
        }
        let parameters = Inputs::new(parameters, crate::limits::FOLDED_INPUT);
        let fill = self.0.fill(&parameters)?;
        let plans = plans(&self.0, &row.shape, &parameters, lower)?;
        let mut out = Vec::with_capacity(plans.len());
        for (output, (shape, columns)) in plans.into_iter().enumerate() {
            out.push(Value::Row(pick(lower, row, output, shape, &columns, fill.as_ref())?));
        }
        Ok(out)
    }
}

/// Numbers of rows tried, to see what becomes of them: two few enough to follow every element, one beyond any
/// bound that only means "to the end".
const TRIES: [usize; 3] = [3, 5, 1_000_003];

/// Steps of finding the place of an element: some, and more for each axis.
const PLACE: (usize, usize) = (8, 4);

/// For each output the shape of a row, and the column of the input for each of its columns.
fn plans(
    moves: &impl Moves,
    shape: &Shape,
    inputs: &Inputs<'_>,
    lower: &mut Lower,
) -> Result<Vec<(Shape, Vec<usize>)>, String> {
    let fail = || format!("does not keep the rows of {shape} apart");
    let dims = |rows: usize| [vec![1; shape.before], vec![rows], shape.inner.clone()].concat();
    let tried = TRIES.map(|rows| moves.dims(&dims(rows), inputs));
    let [few, more, many] = tried;
    let (few, more, many) = (few?, more?, many?);
    // Where an output begins is found anew for each.
    lower.charge(few.len().saturating_mul(few.len()))?;
    let mut out = Vec::with_capacity(few.len());
    for (output, few) in few.iter().enumerate() {
        let (more, many) = (&more[output], &many[output]);
        let at = few.iter().zip(more).position(|(a, b)| a != b).ok_or_else(fail)?;
        let rows = [few[at], more[at], many[at]] == TRIES;
        if !rows || few[at + 1..] != more[at + 1..] || few[..at].iter().any(|&d| d != 1) {
            return Err(fail());
        }
        let (width, made) = (shape.width(), few[at + 1..].iter().product::<usize>());
        lower.charge(inputs.count(few)?.saturating_mul(PLACE.0 + PLACE.1 * few.len()))?;
        let places = moves.places(&dims(TRIES[0]), few, output, inputs)?;
        let first = places[..made].to_vec();
        let follows = |row: usize, column: usize| match first[column] {
            FILL => places[row * made + column] == FILL,
            place => place < width && places[row * made + column] == place + row * width,
        };
        if !(0..TRIES[0]).all(|row| (0..made).all(|column| follows(row, column))) {
            return Err(fail());
        }
        out.push((Shape { before: at, inner: few[at + 1..].to_vec() }, first));
    }
    Ok(out)
}

/// Some columns of a value; a view when they stand side by side.
#[expect(clippy::too_many_arguments, reason = "the parts of a step, each once")]
fn pick(
    lower: &mut Lower,
    row: &Row,
    output: usize,
    shape: Shape,
    columns: &[usize],
    fill: Option<&Data>,
) -> Result<Row, String> {
    let first = columns.first().copied().unwrap_or(FILL);
    if first != FILL && columns.iter().enumerate().all(|(i, &c)| c == first.wrapping_add(i)) {
        return lower.pick(row, columns, shape);
    }
    let filled = columns.contains(&FILL);
    if filled && matches!(row.kind, Kind::Code(_)) {
        return Err("fills up labels or texts".to_owned());
    }
    let fill = match fill {
        Some(data) if filled => {
            numbers(&Tensor { dims: vec![data.len()], data: data.clone() })?.first().copied().unwrap_or(0.0)
        }
        _ => 0.0,
    };
    let made = lower.make(output, shape, row.kind.clone())?;
    lower.push(Pick { from: (row.place, row.width()), to: made.place, columns: columns.to_vec(), fill });
    Ok(made)
}

#[derive(Debug)]
struct Pick {
    from: (usize, usize),
    to: usize,
    columns: Vec<usize>,
    fill: f32,
}

impl Step for Pick {
    fn reads(&self) -> Vec<Span> {
        vec![self.from]
    }

    fn writes(&self) -> Vec<Span> {
        vec![(self.to, self.columns.len())]
    }

    fn run(&self, block: &mut Block<'_>) {
        let (from, to) = (block.places[self.from.0], block.places[self.to]);
        let (read, write) = block.arena.split_at_mut(to.offset);
        for row in 0..block.rows {
            let source = &read[from.row(row)..][..self.from.1];
            for (to, &column) in write[row * to.stride..].iter_mut().zip(&self.columns) {
                *to = source.get(column).copied().unwrap_or(self.fill);
            }
        }
    }
}
