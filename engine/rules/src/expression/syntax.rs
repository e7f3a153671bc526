//! The syntax tree. Chains of operators of one tier are flat, so that a long chain is not a deep tree.

use super::data::Data;
use super::functions::Function;
use metaverse_schema::AttributeName;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) span: Range<usize>,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Literal(Data<'static>),
    /// `[name]`, and the position of the name among those that the expression reads.
    Attribute(AttributeName, usize),
    /// The quoted attribute name of `ImportedValue` and `ValueCount`.
    Name(AttributeName),
    /// `%name%`
    Parameter(Arc<str>),
    /// `$name`
    Variable(Arc<str>),
    /// A bare word from a fixed choice, such as `CaseInsensitive`.
    Word(Arc<str>),
    Call {
        function: &'static Function,
        arguments: Vec<Node>,
    },
    Negate(Box<Node>),
    /// `a + b & c`, left to right.
    Arithmetic(Box<Node>, Vec<(Arithmetic, Node)>),
    /// `a = b`, left to right.
    Comparison(Box<Node>, Vec<(Comparison, Node)>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Plus,
    Minus,
    Times,
    Concatenate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The operator that says the same with its sides exchanged.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same @ (Comparison::Equal | Comparison::NotEqual) => same,
        }
    }
}

/// Something multi-valued that a scalar position may go through value by value (X13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'n> {
    Attribute(&'n AttributeName, usize),
    Imported(&'n AttributeName),
    Variable(&'n str),
}

impl Node {
    /// Visits this node and all below it, in order of place.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&Node)) {
        visit(self);
        match &self.kind {
            NodeKind::Call { arguments, .. } => arguments.iter().for_each(|node| node.walk(visit)),
            NodeKind::Negate(node) => node.walk(visit),
            NodeKind::Arithmetic(first, rest) => {
                first.walk(visit);
                rest.iter().for_each(|(_, node)| node.walk(visit));
            }
            NodeKind::Comparison(first, rest) => {
                first.walk(visit);
                rest.iter().for_each(|(_, node)| node.walk(visit));
            }
            NodeKind::All(nodes) | NodeKind::Any(nodes) => nodes.iter().for_each(|node| node.walk(visit)),
            _ => {}
        }
    }

    /// Visits the sources below this node that stand where one value is wanted, each as often as it stands there: not
    /// those given whole to a function that takes a list.
    pub(crate) fn scalar_sources<'n>(&'n self, visit: &mut impl FnMut(Source<'n>)) {
        match &self.kind {
            NodeKind::Attribute(name, position) => visit(Source::Attribute(name, *position)),
            NodeKind::Variable(name) => visit(Source::Variable(name)),
            NodeKind::Call { function, arguments } => {
                if let (true, Some(NodeKind::Name(name))) =
                    (function.name == "ImportedValue", arguments.first().map(|node| &node.kind))
                {
                    visit(Source::Imported(name));
                }
                for (position, argument) in arguments.iter().enumerate() {
                    if function.maps_over(position) {
                        argument.scalar_sources(visit);
                    }
                }
            }
            NodeKind::Negate(node) => node.scalar_sources(visit),
            NodeKind::Arithmetic(first, rest) => {
                first.scalar_sources(visit);
                rest.iter().for_each(|(_, node)| node.scalar_sources(visit));
            }
            NodeKind::Comparison(first, rest) => {
                first.scalar_sources(visit);
                rest.iter().for_each(|(_, node)| node.scalar_sources(visit));
            }
            NodeKind::All(nodes) | NodeKind::Any(nodes) => nodes.iter().for_each(|node| node.scalar_sources(visit)),
            _ => {}
        }
    }
}
