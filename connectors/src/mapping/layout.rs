//! Where the fields of a mapping lie in a record.

use super::field::Field;

/// The place of each field among the columns of a record: of one whose column may be one of several, all their places.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    first: [Option<usize>; Field::COUNT],
    /// Further places, in the order in which they are looked at.
    others: Vec<(Field, usize)>,
}

impl Layout {
    /// Adds a place of a field, after those that it has.
    pub(super) fn add(&mut self, field: Field, place: usize) {
        match &mut self.first[field as usize] {
            Some(_) => self.others.push((field, place)),
            none => *none = Some(place),
        }
    }

    /// The first place of a field.
    pub(crate) fn first(&self, field: Field) -> Option<usize> {
        self.first[field as usize]
    }

    /// The text of a field, which `at` gives by place: of several the first that is not blank.
    pub fn text<'a>(&self, field: Field, at: impl Fn(usize) -> Option<&'a str>) -> Option<&'a str> {
        let first = at(self.first(field)?);
        if self.others.is_empty() {
            return first;
        }
        let is_said = |text: &&str| !text.trim().is_empty();
        let others = self.others.iter().filter(|(other, _)| *other == field);
        let mut texts = std::iter::once(first).chain(others.map(|(_, place)| at(*place))).flatten();
        texts.find(is_said).or(first)
    }

    /// Without the fields that lie at `place`.
    pub(crate) fn without(mut self, place: usize) -> Layout {
        for first in &mut self.first {
            *first = first.filter(|own| *own != place);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_places_the_first_that_says_something_counts() {
        let mut layout = Layout::default();
        for (field, place) in [(Field::Price, 2), (Field::Size, 0), (Field::Price, 1)] {
            layout.add(field, place);
        }
        let read = |texts: [Option<&'static str>; 3], field| layout.text(field, |at| texts[at]);
        assert_eq!(read([None, Some("1"), Some("2")], Field::Price), Some("2"));
        assert_eq!(read([None, Some("1"), Some(" ")], Field::Price), Some("1"));
        assert_eq!(read([None, Some("1"), None], Field::Price), Some("1"));
        assert_eq!(read([None, None, Some("")], Field::Price), Some(""));
        assert_eq!(read([None, Some("1"), None], Field::Size), None);
        assert_eq!(read([None, Some("1"), None], Field::Side), None);
        assert_eq!(layout.without(2).first(Field::Price), None);
    }
}
