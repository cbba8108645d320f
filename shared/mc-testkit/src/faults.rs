//! The cases of a suite, and those that are left out, each with its reason.

/// A case that an emulator, and not the adapter, gets wrong.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The case's name.
    pub case: &'static str,
    /// What the emulator does instead.
    pub reason: &'static str,
}

/// The cases of one run.
#[derive(Debug)]
pub struct Cases<'a> {
    faults: &'a [Fault],
    left_out: Vec<&'static str>,
}

impl<'a> Cases<'a> {
    /// All cases but these.
    pub fn new(faults: &'a [Fault]) -> Self {
        Self { faults, left_out: Vec::new() }
    }

    /// Whether a case is to run.
    pub fn wants(&mut self, case: &'static str) -> bool {
        let fault = self.faults.iter().find(|fault| fault.case == case);
        self.left_out.extend(fault.map(|_| case));
        fault.is_none()
    }

    /// Every fault has to name a case, or a renamed case would come back unseen.
    pub fn finish(self) {
        let unknown = self.faults.iter().find(|fault| !self.left_out.contains(&fault.case));
        assert!(unknown.is_none(), "there is no such case: {unknown:?}");
    }
}

/// Runs cases that take what is under test by reference.
#[macro_export]
macro_rules! run_cases {
    ($cases:ident, $make:ident, $($module:ident::$case:ident),+ $(,)?) => {
        $(if $cases.wants(stringify!($case)) {
            $module::$case(&$make().await).await;
        })+
    };
}
