//! Reads the choices of a check from the front of its input. An exhausted input always gives the
//! first choice, so every input is valid.

use arbitrary::Unstructured;

/// The choices, followed by the bytes under test.
pub(crate) struct Decisions<'a>(Unstructured<'a>);

/// A short list of steps, repeated cyclically.
pub(crate) struct Schedule<'a> {
    steps: &'a [u8],
    next: usize,
}

impl<'a> Decisions<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(Unstructured::new(input))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn u16(&mut self) -> u16 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Returns a number from 0 to below `count`, which must not be 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0.int_in_range(0..=count - 1).unwrap_or_default()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Returns at most `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        self.0.bytes(len.min(self.0.len())).unwrap_or_default()
    }

    /// Reads a schedule: one byte with the number of steps, then the steps.
    pub(crate) fn schedule(&mut self) -> Schedule<'a> {
        let len = usize::from(self.byte());
        Schedule { steps: self.bytes(len), next: 0 }
    }

    /// Returns the rest of the input.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

impl Schedule<'_> {
    /// Returns the number of steps in one cycle.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn step(&mut self) -> usize {
        let step = self.steps.get(self.next).copied().unwrap_or_default();
        self.next = if self.next + 1 < self.steps.len() { self.next + 1 } else { 0 };
        usize::from(step)
    }
}
