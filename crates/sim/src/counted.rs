//! Defines a struct of named event counters, so that a run can show that each kind occurred.

macro_rules! counted {
    (
        $(#[doc = $about:literal])+
        pub struct $counts:ident;
        $($(#[doc = $doc:literal])+ $name:ident $text:literal,)+
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl $counts {
            /// Returns the readable name and the count of each kind.
            #[must_use]
            pub fn by_name(&self) -> Vec<(&'static str, u64)> {
                vec![$(($text, self.$name)),+]
            }

            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

pub(crate) use counted;
