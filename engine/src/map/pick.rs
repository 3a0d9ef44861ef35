//! Elements of an array that are known by a text in them: `$.parameters[?@.name=='owner'].value`.

use longshore_schema::{JsonPath, Step};

use super::each::elements;
use super::paths::{Paths, Shape, Slot, Slots};

/// What is read of the elements of one array, by a text under the same names.
#[derive(Debug)]
pub(super) struct Pick {
    array: Slot,
    member: Vec<String>,
    /// The places in an element; the text is the first.
    paths: Paths,
    wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    is: Box<str>,
    /// The place in the element.
    inner: Slot,
    /// The place that it has in the record.
    outer: Slot,
}

/// A path of this kind in its parts.
pub(super) struct Parts<'p> {
    /// The steps to the array.
    pub(super) to: &'p [Step],
    /// The names that lead to the text in an element.
    pub(super) member: &'p [String],
    pub(super) is: &'p str,
    /// The steps on from the element.
    pub(super) on: &'p [Step],
}

/// The parts of a path of this kind; `None` for all others.
pub(super) fn parts(path: &JsonPath) -> Option<Parts<'_>> {
    let is_plain = |step: &Step| match step {
        Step::Member(_) => true,
        Step::Index(index) => *index >= 0,
        Step::Every | Step::Where { .. } => false,
    };
    let steps = path.steps()?;
    let at = steps.iter().position(|step| matches!(step, Step::Where { .. }))?;
    let (to, rest) = steps.split_at(at);
    let [Step::Where { member, is }, on @ ..] = rest else { return None };
    let all_plain = to.iter().chain(on).all(is_plain);
    all_plain.then_some(Parts { to, member, is, on })
}

impl Pick {
    pub(super) fn new(array: Slot, member: &[String]) -> Self {
        let mut paths = Paths::new(true);
        paths.add_members(member);
        Self { array, member: member.to_vec(), paths, wanted: Vec::new() }
    }

    /// Whether this reads the elements of the array by the text under these names.
    pub(super) fn is_by(&self, array: Slot, member: &[String]) -> bool {
        self.array == array && self.member == member
    }

    /// Puts what stands at `on` in the first element with this text at the place `outer`.
    pub(super) fn add(&mut self, is: &str, on: &[Step], outer: Slot) {
        let inner = self.paths.add_steps(on, &format!("{on:?}"));
        self.wanted.push(Wanted { is: is.into(), inner, outer });
    }

    /// Looks through the array of a record that was read.
    pub(super) fn read<'a>(&self, slots: &mut Slots<'a>, buffer: &mut String) {
        let mut shape = Shape::new();
        let mut inner: Slots<'a> = Slots::default();
        for element in elements(slots.values[self.array]) {
            inner = inner.recycle(self.paths.count());
            if self.paths.read_json(element, &mut inner, &mut shape).is_err() {
                continue;
            }
            let Some(text) = inner.values[0].text(buffer) else { continue };
            for wanted in self.wanted.iter().filter(|wanted| *wanted.is == *text) {
                let place = &mut slots.values[wanted.outer];
                if place.is_missing() {
                    *place = inner.values[wanted.inner];
                }
            }
        }
    }
}
