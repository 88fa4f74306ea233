//! How much there is in a component, counted before anything is compiled. What a compiler takes of time and memory grows with
//! these counts, with some of them faster than the file.

use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentType, ComponentTypeDeclaration, ComponentTypeRef, CoreType, ElementItems, FunctionBody,
    InstanceTypeDeclaration, Operator, Payload,
};

/// What is counted. The bounds are five times and more of what the interpreters of
/// Python and JavaScript come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bound {
    /// Components and modules within one another, and types within one another.
    Nesting,
    /// Sections of all components and modules.
    Sections,
    /// Types, and declarations within types.
    Types,
    /// Imports, exports and aliases.
    Names,
    /// Bytes of the names of the outermost component's imports and exports.
    NameBytes,
    /// Instances that the outermost component comes to when each of its parts is instantiated as often as it is said.
    Instances,
    /// Functions with a body.
    Functions,
    /// Bytes of the largest body.
    FunctionBytes,
    /// Blocks and targets of branches of the function with the most.
    Branches,
    /// Locals times blocks of the function in which that is the most.
    LocalsTimesBranches,
    /// Globals, tables, memories and tags.
    Globals,
    /// Segments of data and of elements.
    Segments,
    /// Elements that segments put into tables.
    Elements,
}

impl Bound {
    const COUNT: usize = 13;

    /// Name, as a refusal has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nesting => "nesting",
            Self::Sections => "sections",
            Self::Types => "types",
            Self::Names => "imports, exports and aliases",
            Self::NameBytes => "bytes of names",
            Self::Instances => "instances after expansion",
            Self::Functions => "functions",
            Self::FunctionBytes => "bytes of a function",
            Self::Branches => "branches of a function",
            Self::LocalsTimesBranches => "locals times branches of a function",
            Self::Globals => "globals, tables and memories",
            Self::Segments => "segments of data and elements",
            Self::Elements => "elements of tables",
        }
    }

    /// The most that is admitted.
    pub(crate) const fn most(self) -> u64 {
        match self {
            Self::Nesting => 16,
            Self::Sections => 10_000,
            Self::Types => 20_000,
            Self::Names => 100_000,
            Self::NameBytes => 100_000,
            Self::Instances => 1_000,
            Self::Functions => 100_000,
            Self::FunctionBytes => 2 << 20,
            Self::Branches => 100_000,
            Self::LocalsTimesBranches => 4_000_000,
            Self::Globals => 10_000,
            Self::Segments => 50_000,
            Self::Elements => 100_000,
        }
    }
}

/// Why counting ended.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file is damaged.
    Binary(BinaryReaderError),
    /// There is more of something than admitted.
    Beyond(Bound, u64),
    /// A component is passed on as a value, so that nobody can know how often it is instantiated.
    PassedOn,
}

impl From<BinaryReaderError> for Fault {
    fn from(error: BinaryReaderError) -> Self {
        Self::Binary(error)
    }
}

/// A component or a module whose end has not come.
#[derive(Debug)]
enum Open {
    Module,
    Component {
        /// Instances that instantiating each component of its index space comes to.
        weights: Vec<u64>,
        /// Instances that instantiating it comes to.
        weight: u64,
    },
}

/// Counts of a component.
#[derive(Debug)]
pub(crate) struct Structure {
    counts: [u64; Bound::COUNT],
    open: Vec<Open>,
}

impl Default for Structure {
    fn default() -> Self {
        Self {
            counts: [0; Bound::COUNT],
            open: vec![component()],
        }
    }
}

const fn component() -> Open {
    Open::Component {
        weights: Vec::new(),
        weight: 1,
    }
}

impl Structure {
    /// Whether what comes next is of the outermost component.
    pub(crate) fn outermost(&self) -> bool {
        self.open.len() == 1
    }

    /// Takes in the next part of a component.
    pub(crate) fn add(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        match payload {
            Payload::CodeSectionEntry(body) => return self.function(body),
            Payload::ModuleSection { .. } => return self.enter(Open::Module),
            Payload::ComponentSection { .. } => return self.enter(component()),
            Payload::End(_) => {
                self.leave();
                return Ok(());
            }
            _ => self.count(Bound::Sections, 1)?,
        }
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups.clone() {
                    self.count(Bound::Types, group?.types().len() as u64)?;
                }
                Ok(())
            }
            Payload::CoreTypeSection(types) => {
                for kind in types.clone() {
                    self.core_type(&kind?)?;
                }
                Ok(())
            }
            Payload::ComponentTypeSection(types) => {
                for kind in types.clone() {
                    self.component_type(&kind?, 1)?;
                }
                Ok(())
            }
            Payload::ImportSection(imports) => self.count(Bound::Names, imports.count().into()),
            Payload::ExportSection(exports) => self.count(Bound::Names, exports.count().into()),
            Payload::GlobalSection(some) => self.count(Bound::Globals, some.count().into()),
            Payload::TableSection(some) => self.count(Bound::Globals, some.count().into()),
            Payload::MemorySection(some) => self.count(Bound::Globals, some.count().into()),
            Payload::TagSection(some) => self.count(Bound::Globals, some.count().into()),
            Payload::DataSection(some) => self.count(Bound::Segments, some.count().into()),
            Payload::ElementSection(segments) => self.elements(segments.clone()),
            Payload::ComponentCanonicalSection(some) => self.count(Bound::Names, some.count().into()),
            payload => self.linking(payload),
        }
    }

    /// What puts parts together.
    fn linking(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        match payload {
            Payload::InstanceSection(instances) => self.instantiate(instances.count().into()),
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    let weight = match instance? {
                        ComponentInstance::Instantiate { component_index, .. } => {
                            self.weight_of(0, component_index)
                        }
                        ComponentInstance::FromExports(_) => 1,
                    };
                    self.instantiate(weight)?;
                }
                Ok(())
            }
            Payload::ComponentAliasSection(aliases) => {
                self.count(Bound::Names, aliases.count().into())?;
                for alias in aliases.clone() {
                    self.alias(&alias?)?;
                }
                Ok(())
            }
            Payload::ComponentImportSection(imports) => {
                self.count(Bound::Names, imports.count().into())?;
                for import in imports.clone() {
                    if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                        return Err(Fault::PassedOn);
                    }
                }
                Ok(())
            }
            Payload::ComponentExportSection(exports) => {
                self.count(Bound::Names, exports.count().into())?;
                for export in exports.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        let weight = self.weight_of(0, export.index);
                        self.define(weight);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), Fault> {
        match *alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => Err(Fault::PassedOn),
            ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Component,
                count,
                index,
            } => {
                let weight = self.weight_of(count, index);
                self.define(weight);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Counts the name of an import or an export of the outermost component.
    pub(crate) fn name(&mut self, name: &str) -> Result<(), Fault> {
        self.count(Bound::NameBytes, name.len() as u64)
    }

    fn count(&mut self, bound: Bound, more: u64) -> Result<(), Fault> {
        let so_far = self.counts.get(bound as usize).copied().unwrap_or_default();
        self.at_most(bound, so_far.saturating_add(more))
    }

    /// Notes that there is so much of something, at least.
    fn at_most(&mut self, bound: Bound, count: u64) -> Result<(), Fault> {
        if let Some(most) = self.counts.get_mut(bound as usize) {
            *most = count.max(*most);
        }
        if count > bound.most() {
            return Err(Fault::Beyond(bound, count));
        }
        Ok(())
    }

    fn enter(&mut self, part: Open) -> Result<(), Fault> {
        self.open.push(part);
        let depth = self.open.len() as u64;
        self.count(Bound::Sections, 1)?;
        self.at_most(Bound::Nesting, depth)
    }

    fn leave(&mut self) {
        if let Some(Open::Component { weight, .. }) = self.open.pop() {
            self.define(weight);
        }
    }

    /// A component takes its place in the index space of the one that it lies in.
    fn define(&mut self, component: u64) {
        if let Some(Open::Component { weights, .. }) = self.open.last_mut() {
            weights.push(component);
        }
    }

    fn instantiate(&mut self, instances: u64) -> Result<(), Fault> {
        let Some(Open::Component { weight, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        *weight = weight.saturating_add(instances);
        let weight = *weight;
        self.at_most(Bound::Instances, weight)
    }

    /// Instances that a component comes to, by its index in the index space so many components further out. One that is not
    /// there is left to the compiler, which refuses it.
    fn weight_of(&self, out: u32, index: u32) -> u64 {
        let position = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        match self.open.iter().rev().nth(position(out)) {
            Some(Open::Component { weights, .. }) => weights.get(position(index)).copied().unwrap_or(1),
            _ => 1,
        }
    }

    fn core_type(&mut self, kind: &CoreType<'_>) -> Result<(), Fault> {
        let declared = match kind {
            CoreType::Rec(group) => group.types().len(),
            CoreType::Module(declared) => declared.len(),
        };
        self.count(Bound::Types, 1 + declared as u64)
    }

    fn component_type(&mut self, kind: &ComponentType<'_>, depth: u64) -> Result<(), Fault> {
        self.at_most(Bound::Nesting, depth)?;
        self.count(Bound::Types, 1)?;
        match kind {
            ComponentType::Component(declared) => {
                for one in declared {
                    match one {
                        ComponentTypeDeclaration::Type(kind) => self.component_type(kind, depth + 1)?,
                        ComponentTypeDeclaration::CoreType(kind) => self.core_type(kind)?,
                        _ => self.count(Bound::Types, 1)?,
                    }
                }
                Ok(())
            }
            ComponentType::Instance(declared) => {
                for one in declared {
                    match one {
                        InstanceTypeDeclaration::Type(kind) => self.component_type(kind, depth + 1)?,
                        InstanceTypeDeclaration::CoreType(kind) => self.core_type(kind)?,
                        _ => self.count(Bound::Types, 1)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn elements(&mut self, segments: wasmparser::ElementSectionReader<'_>) -> Result<(), Fault> {
        self.count(Bound::Segments, segments.count().into())?;
        for segment in segments {
            let items = match segment?.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            self.count(Bound::Elements, items.into())?;
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Fault> {
        self.count(Bound::Functions, 1)?;
        self.at_most(Bound::FunctionBytes, body.as_bytes().len() as u64)?;
        let mut locals = 1_u64;
        for group in body.get_locals_reader()? {
            let (count, _) = group?;
            locals = locals.saturating_add(count.into());
        }
        let mut branches = 1_u64;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            branches += match operators.read()? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => 1,
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => 1,
                Operator::BrTable { targets } => u64::from(targets.len()),
                _ => 0,
            };
        }
        self.at_most(Bound::Branches, branches)?;
        self.at_most(Bound::LocalsTimesBranches, locals.saturating_mul(branches))
    }
}
