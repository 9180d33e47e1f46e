//! Reads `[matrix]`: the images that one spec describes.

use std::collections::BTreeMap;

use super::super::error::Problem;
use super::super::template;
use super::super::tree::{Node, Value};
use super::context::Input;
use super::vars::BUILT_IN;
use crate::model::escape;

/// The key of `[matrix]` that is no axis.
const EXCLUDE: &str = "exclude";

/// Greatest number of images of one spec. Each is planned and kept in memory; a stack has some hundred.
const MAX_CELLS: usize = 1_000;

/// One image of a matrix.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Cell {
    /// The value of each axis, in the order of the text.
    pub(in super::super) values: Vec<String>,
    /// Its variables: those of the axes, and those that tables add.
    pub(in super::super) vars: BTreeMap<String, Node>,
}

/// Returns the images of a spec: one without `[matrix]`, else one for each combination of values, in the order of the
/// text, without the excluded ones.
pub(in super::super) fn cells(document: Input<'_>) -> Result<Vec<Cell>, Problem> {
    let Some(matrix) = document.get("matrix") else {
        return Ok(vec![Cell::default()]);
    };
    let mut axes: Vec<(&str, &Node)> = matrix.node.entries().filter(|(name, _)| *name != EXCLUDE).collect();
    axes.sort_by_key(|(_, axis)| axis.key.start);
    if axes.is_empty() {
        return matrix.refuse(
            "`matrix` has no axis",
            "add a list of values, such as server = [\"auth\", \"mail\"]",
        );
    }
    let mut cells = vec![Cell::default()];
    for (name, axis) in axes {
        check_name(name, axis)?;
        let mut more = Vec::new();
        for cell in &cells {
            for value in axis.items() {
                more.push(with_value(cell, name, value)?);
            }
        }
        if more.len() > MAX_CELLS {
            return matrix.refuse(
                format!("`matrix` has more than {MAX_CELLS} combinations"),
                "use several specs",
            );
        }
        cells = more;
    }
    for excluded in matrix.items(EXCLUDE) {
        let count = cells.len();
        cells.retain(|cell| !excluded.node.entries().all(|(name, value)| has(cell, name, value)));
        if cells.len() == count {
            return excluded.refuse(
                "no combination of `matrix` has these values",
                "write values of the axes",
            );
        }
    }
    if cells.is_empty() {
        return matrix.refuse(
            "`matrix` has no combination of values",
            "add values, or exclude fewer of them",
        );
    }
    Ok(cells)
}

fn check_name(name: &str, axis: &Node) -> Result<(), Problem> {
    if BUILT_IN.contains(&name) || !template::is_name(name) {
        let message = format!("\"{}\" cannot be the name of an axis", escape(name.as_bytes()));
        return Err(
            Problem::new(&axis.key, message).help("use letters, digits and _, and no name of a built-in variable")
        );
    }
    Ok(())
}

/// Returns a cell with one more axis.
fn with_value(cell: &Cell, name: &str, value: &Node) -> Result<Cell, Problem> {
    let mut cell = cell.clone();
    match &value.value {
        Value::Table(table) => {
            let Some(own) = table.get(name) else {
                let message = format!("the table has no `{name}`, the value of the axis");
                return Err(Problem::new(&value.span, message));
            };
            cell.values.push(own.as_text().unwrap_or_default().to_owned());
            cell.vars
                .extend(table.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        _ => {
            cell.values.push(value.as_text().unwrap_or_default().to_owned());
            cell.vars.insert(name.to_owned(), value.clone());
        }
    }
    Ok(cell)
}

fn has(cell: &Cell, name: &str, value: &Node) -> bool {
    let known = cell.vars.get(name).and_then(Node::as_text);
    known.is_some() && known == value.as_text()
}
