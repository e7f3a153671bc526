//! Export to Active Directory as an operator meets it: a table of people, groups and units, rules written by hand, a real
//! domain controller as the target. What is right is read from the domain controller's own database, never from the product.

mod everyday;
mod existing;
mod many;
mod refusals;
mod world;
