//! Rows of Parquet files, row group by row group, page by page. Values pass as text, so that one road of inference,
//! profile and loading serves all formats; the file's own types are binding.

use crate::batch::{Batch, Cell, Rows};
use crate::error::{Error, Result};
use crate::read::header;
use crate::shape::Shape;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use std::fs::File;

mod types;

pub(crate) use types::Want;
use types::Writing;

/// The first and last bytes of a Parquet file.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// Rows of a batch, with few columns.
const ROWS: usize = 4096;
/// Cells of a batch, with many.
const CELLS: usize = 1 << 18;

/// A reader of one Parquet file.
pub(crate) struct Parquet {
    file: SerializedFileReader<File>,
    columns: Vec<Column>,
    announced: bool,
    group: usize,
    open: Vec<ColumnReader>,
    /// Rows of the open group still to read.
    left: usize,
    record: u64,
}

struct Column {
    name: String,
    writing: Writing,
    /// The definition level of a value that is there.
    present: i16,
}

impl Parquet {
    /// Reads the footer; refuses nested and repeated columns and types that no column type stands for.
    pub fn new(file: File) -> Result<Self> {
        let file = SerializedFileReader::new(file).map_err(|e| broken(None, &e))?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let mut columns = Vec::with_capacity(schema.num_columns());
        for descriptor in schema.columns() {
            let name = descriptor.path().string();
            if descriptor.max_rep_level() > 0 {
                return Err(refused(&name, "lists and maps are no table cells: make a column of each part"));
            }
            let writing = types::writing(descriptor).map_err(|what| refused(&name, &what))?;
            columns.push(Column { name, writing, present: descriptor.max_def_level() });
        }
        let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        if names.is_empty() {
            return Err(Error::Empty);
        }
        header::check(&names, 1)?;
        Ok(Self { file, columns, announced: false, group: 0, open: Vec::new(), left: 0, record: 1 })
    }

    /// What the file says of the types of the columns that are kept.
    pub fn wants(&self, shape: &Shape) -> Vec<Want> {
        self.columns.iter().filter(|c| shape.keeps(&c.name)).map(|c| c.writing.want()).collect()
    }

    /// Opens the next row group that has rows; false at the end.
    fn open_group(&mut self) -> Result<bool> {
        while self.left == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.group).map_err(|e| broken(None, &e))?;
            self.left = usize::try_from(group.metadata().num_rows()).map_err(|_| Error::Parquet {
                column: None,
                what: "a row group of negative length".to_owned(),
            })?;
            self.open = (0..self.columns.len())
                .map(|at| group.get_column_reader(at).map_err(|e| broken(Some(&self.columns[at].name), &e)))
                .collect::<Result<_>>()?;
            self.group += 1;
        }
        Ok(true)
    }
}

impl Rows for Parquet {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        if !self.open_group()? {
            return if self.record == 1 { Err(Error::HeaderOnly) } else { Ok(false) };
        }
        let width = self.columns.len();
        let rows = self.left.min((CELLS / width).clamp(1, ROWS));
        batch.columns = width;
        batch.first_line = self.record;
        batch.cells.resize(rows * width, Cell { start: 0, len: 0 });
        for (at, column) in self.columns.iter().enumerate() {
            read(&mut self.open[at], column, batch, at, rows)?;
        }
        if !self.announced {
            self.announced = true;
            batch.new_names = self.columns.iter().map(|c| c.name.clone()).collect();
        }
        self.left -= rows;
        self.record += rows as u64;
        batch.seal();
        Ok(true)
    }
}

fn read(reader: &mut ColumnReader, column: &Column, batch: &mut Batch, at: usize, rows: usize) -> Result<()> {
    let writing = column.writing;
    let mut sheet = Sheet { batch, column, at, rows };
    match reader {
        ColumnReader::BoolColumnReader(r) => sheet.fill(r, |v, out| writing.boolean(*v, out)),
        ColumnReader::Int32ColumnReader(r) => sheet.fill(r, |v, out| writing.int(i64::from(*v), out)),
        ColumnReader::Int64ColumnReader(r) => sheet.fill(r, |v, out| writing.int(*v, out)),
        ColumnReader::Int96ColumnReader(r) => sheet.fill(r, |v, out| types::nanos(v.to_nanos(), out)),
        ColumnReader::FloatColumnReader(r) => sheet.fill(r, |v, out| types::float(v, v.is_nan(), out)),
        ColumnReader::DoubleColumnReader(r) => sheet.fill(r, |v, out| types::float(v, v.is_nan(), out)),
        ColumnReader::ByteArrayColumnReader(r) => sheet.fill(r, |v, out| writing.bytes(v.data(), out)),
        ColumnReader::FixedLenByteArrayColumnReader(r) => {
            sheet.fill(r, |v, out| writing.bytes(v.data(), out))
        }
    }
}

/// One column of a batch being filled.
struct Sheet<'a> {
    batch: &'a mut Batch,
    column: &'a Column,
    at: usize,
    rows: usize,
}

impl Sheet<'_> {
    /// Reads the rows and writes each value that is there.
    fn fill<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        write: impl Fn(&T::T, &mut Vec<u8>) -> Result<(), &'static str>,
    ) -> Result<()> {
        let name = &self.column.name;
        let (mut values, mut levels) = (Vec::with_capacity(self.rows), Vec::new());
        let (mut row, mut width) = (0, self.batch.columns);
        while row < self.rows {
            values.clear();
            levels.clear();
            let optional = (self.column.present > 0).then_some(&mut levels);
            let (records, ..) = reader
                .read_records(self.rows - row, optional, None, &mut values)
                .map_err(|e| broken(Some(name), &e))?;
            if records == 0 {
                return Err(refused(name, "it has fewer values than the file says"));
            }
            let mut next = values.iter();
            for at in 0..records {
                if levels.get(at).is_some_and(|level| *level < self.column.present) {
                    continue;
                }
                let value =
                    next.next().ok_or_else(|| refused(name, "it has fewer values than the file says"))?;
                let start = self.batch.text.len();
                write(value, &mut self.batch.text).map_err(|what| refused(name, what))?;
                let cell = Cell { start: start as u32, len: (self.batch.text.len() - start) as u32 };
                self.batch.cells[(row + at) * width + self.at] = cell;
            }
            row += records;
            width = self.batch.columns;
            if self.batch.text.len() > u32::MAX as usize / 2 {
                return Err(refused(name, "its texts are too long"));
            }
        }
        Ok(())
    }
}

fn refused(column: &str, what: &str) -> Error {
    Error::Parquet { column: Some(column.to_owned()), what: what.to_owned() }
}

fn broken(column: Option<&str>, error: &ParquetError) -> Error {
    let what = error.to_string().to_lowercase();
    Error::Parquet { column: column.map(str::to_owned), what }
}
