//! Columns written as a Parquet file (<https://parquet.apache.org/docs/file-format>).
//!
//! Each value of a column has two levels: how much of the path to it there is (definition), and at
//! which list on the path a new element begins (repetition).

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::SchemaDescriptor;

use super::schema::Schema;
use super::shred::{Column, Content, Group, Shredded, Values};

/// How much of events, as JSON, goes into a row group: what is held in memory as columns.
const ROW_GROUP: usize = 64 << 20;

/// What became of events of one class.
pub(super) enum Encoded {
    /// They are a file.
    File(Vec<u8>),
    /// Some are not JSON. The others have to be given again.
    Refused(Refused),
}

/// Which events are refused, counted from 0, and why.
pub(super) type Refused = Vec<(usize, String)>;

/// Writes events of one class as a file.
///
/// # Errors
/// Those of the encoder, which depend on no event.
pub(super) fn encode<'e>(
    schema: &Schema,
    events: impl Iterator<Item = &'e str>,
) -> Result<Encoded> {
    let mut file = None;
    let mut refused = Refused::new();
    let mut events = events.enumerate().peekable();
    while events.peek().is_some() {
        let mut shredded = Shredded::new(schema);
        let mut taken = 0;
        while let Some((index, event)) =
            events.next_if(|(_, event)| taken == 0 || taken + event.len() <= ROW_GROUP)
        {
            taken += event.len();
            if let Err(reason) = shredded.push(event) {
                refused.push((index, reason));
            }
        }
        if !refused.is_empty() {
            continue;
        }
        let file = if let Some(file) = &mut file {
            file
        } else {
            let properties = properties(schema, &shredded).into();
            file.insert(SerializedFileWriter::new(Vec::new(), schema.root.clone(), properties)?)
        };
        let mut rows = Rows { group: file.next_row_group()? };
        rows.write(shredded)?;
        rows.group.close()?;
    }
    match file {
        Some(file) if refused.is_empty() => Ok(Encoded::File(file.into_inner()?)),
        _ => Ok(Encoded::Refused(refused)),
    }
}

/// How columns are written.
fn properties(schema: &Schema, shredded: &Shredded) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("longshore ", env!("CARGO_PKG_VERSION")).to_owned());
    let columns = SchemaDescriptor::new(schema.root.clone());
    for (column, content) in columns.columns().iter().zip(shredded.contents()) {
        let path = column.path();
        if content != Content::Repeated {
            // Each value would be looked up in vain.
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
        }
        if content == Content::Nothing {
            // Most columns of a class: what compresses them would be made for nothing.
            properties = properties.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
    }
    properties.build()
}

/// The levels of everything that has a place in a group.
struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// The group around columns.
struct Around<'a> {
    levels: &'a Levels,
    /// Where in the levels the groups are that there are.
    groups: &'a [u32],
    /// The definition level of a group that there is.
    definition: i16,
    /// How many lists are around it.
    lists: i16,
}

struct Rows<'a> {
    group: SerializedRowGroupWriter<'a, Vec<u8>>,
}

impl Rows<'_> {
    fn write(&mut self, shredded: Shredded) -> Result<()> {
        let rows = shredded.event.count;
        let none = vec![0; rows as usize];
        let levels = Levels { definition: none.clone(), repetition: none };
        let groups: Vec<u32> = (0..rows).collect();
        let around = Around { levels: &levels, groups: &groups, definition: 0, lists: 0 };
        self.group(shredded.event, &around)?;
        self.column(shredded.whole, &around)
    }

    fn group(&mut self, group: Group, around: &Around<'_>) -> Result<()> {
        group.columns.into_iter().try_for_each(|column| self.column(column, around))
    }

    fn column(&mut self, column: Column, around: &Around<'_>) -> Result<()> {
        let lists = around.lists + i16::from(column.list);
        if column.present.is_empty() {
            return self.absent(column.values, around.levels, lists);
        }
        let (levels, groups, definition) = if column.list {
            let (levels, groups) = repeated(&column, around);
            (levels, groups, around.definition + 2)
        } else {
            let defined = around.definition + 1;
            let mut definition = around.levels.definition.clone();
            let at = column.present.iter().map(|group| around.groups[*group as usize]);
            let groups: Vec<u32> = at.collect();
            for at in &groups {
                definition[*at as usize] = defined;
            }
            (Levels { definition, repetition: around.levels.repetition.clone() }, groups, defined)
        };
        match column.values {
            Values::Group(group) => {
                let around = Around { levels: &levels, groups: &groups, definition, lists };
                self.group(group, &around)
            }
            values => self.values(values, &levels, lists),
        }
    }

    /// A column, or the columns of a group, that no group around has.
    fn absent(&mut self, values: Values, levels: &Levels, lists: i16) -> Result<()> {
        match values {
            Values::Group(group) => group.columns.into_iter().try_for_each(|column| {
                self.absent(column.values, levels, lists + i16::from(column.list))
            }),
            values => self.values(values, levels, lists),
        }
    }

    fn values(&mut self, values: Values, levels: &Levels, lists: i16) -> Result<()> {
        match values {
            Values::Boolean(values) => self.typed::<BoolType>(&values, levels, lists),
            Values::Integer(values) => self.typed::<Int32Type>(&values, levels, lists),
            Values::Long { values, .. } => self.typed::<Int64Type>(&values, levels, lists),
            Values::Float(values) => self.typed::<DoubleType>(&values, levels, lists),
            Values::Text { bytes, ends, .. } => {
                let bytes = Bytes::from(bytes);
                let mut start = 0;
                let texts: Vec<ByteArray> = ends
                    .into_iter()
                    .map(|end| {
                        bytes.slice(std::mem::replace(&mut start, end as usize)..end as usize)
                    })
                    .map(ByteArray::from)
                    .collect();
                self.typed::<ByteArrayType>(&texts, levels, lists)
            }
            Values::Group(_) => Err(ParquetError::General("a group has no values".to_owned())),
        }
    }

    fn typed<T: DataType>(&mut self, values: &[T::T], levels: &Levels, lists: i16) -> Result<()> {
        let next = self.group.next_column()?;
        let mut next =
            next.ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))?;
        let writer: &mut ColumnWriterImpl<'_, T> = next.typed();
        let repetition = (lists > 0).then_some(levels.repetition.as_slice());
        writer.write_batch(values, Some(&levels.definition), repetition)?;
        next.close()
    }
}

/// The levels of a list's elements, and where among them elements are that there are.
fn repeated(column: &Column, around: &Around<'_>) -> (Levels, Vec<u32>) {
    let elements: usize = column.lengths.iter().map(|length| *length as usize).sum();
    let size = around.levels.definition.len() + elements;
    let mut levels =
        Levels { definition: Vec::with_capacity(size), repetition: Vec::with_capacity(size) };
    let mut at = Vec::with_capacity(elements);
    let present = column.present.iter().map(|group| around.groups[*group as usize]);
    let mut present = present.zip(&column.lengths).peekable();
    let outer = around.levels.definition.iter().zip(&around.levels.repetition);
    for (entry, (definition, repetition)) in (0_u32..).zip(outer) {
        let Some((_, length)) = present.next_if(|(of, _)| *of == entry) else {
            levels.definition.push(*definition);
            levels.repetition.push(*repetition);
            continue;
        };
        if *length == 0 {
            levels.definition.push(around.definition + 1);
            levels.repetition.push(*repetition);
        }
        for element in 0..*length {
            at.push(levels.definition.len() as u32);
            levels.definition.push(around.definition + 2);
            levels.repetition.push(if element == 0 { *repetition } else { around.lists + 1 });
        }
    }
    (levels, at)
}
