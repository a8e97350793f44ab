//! Conditions of SQL that mean the same as a filter.

use artifact_arrow::{Columns, ValueType};
use compact_artifact::{Filter, FilterValue};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator};

/// The filter that lets through exactly the records for which a condition is true; `None`: there is none, and the engine has to look at each.
pub(crate) fn translate(condition: &Expr, columns: &Columns) -> Option<Filter> {
    Translation { columns }.matching(condition, true)
}

struct Translation<'a> {
    columns: &'a Columns,
}

impl Translation<'_> {
    /// Records for which a condition is true, or false: of those for which it is `NULL`, neither.
    fn matching(&self, condition: &Expr, wanted: bool) -> Option<Filter> {
        match condition {
            Expr::Not(inner) => self.matching(inner, !wanted),
            Expr::Column(column) => {
                self.typed(column.name(), ValueType::Bool)?;
                Some(Filter::field(column.name()).eq(wanted))
            }
            Expr::IsNull(inner) => self.null(inner, wanted),
            Expr::IsNotNull(inner) => self.null(inner, !wanted),
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let (left, right) = (self.matching(left, wanted)?, self.matching(right, wanted)?);
                // Not (a and b) is (not a) or (not b).
                Some(if (*op == Operator::And) == wanted { left.and(right) } else { left.or(right) })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) => {
                    self.compared(column.name(), *op, value, wanted)
                }
                (Expr::Literal(value, _), Expr::Column(column)) => {
                    self.compared(column.name(), op.swap()?, value, wanted)
                }
                _ => None,
            },
            Expr::InList(InList { expr, list, negated }) => self.listed(expr, list, *negated != wanted),
            Expr::Between(Between { expr, negated, low, high }) => {
                let (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) =
                    (&**expr, &**low, &**high)
                else {
                    return None;
                };
                let wanted = *negated != wanted;
                let low = self.compared(column.name(), Operator::GtEq, low, wanted)?;
                let high = self.compared(column.name(), Operator::LtEq, high, wanted)?;
                Some(if wanted { low.and(high) } else { low.or(high) })
            }
            Expr::Like(like) => self.like(like, wanted),
            _ => None,
        }
    }

    fn typed(&self, name: &str, expected: ValueType) -> Option<()> {
        (self.columns.value_type(name)? == expected).then_some(())
    }

    fn null(&self, inner: &Expr, wanted: bool) -> Option<Filter> {
        let Expr::Column(column) = inner else { return None };
        let has_value = has_value(column.name(), self.columns.value_type(column.name())?)?;
        Some(if wanted { !has_value } else { has_value })
    }

    fn compared(&self, name: &str, op: Operator, value: &ScalarValue, wanted: bool) -> Option<Filter> {
        let value_type = self.columns.value_type(name)?;
        let value = literal(value, value_type)?;
        let field = Filter::field(name);
        if value_type == ValueType::Bool && !matches!(op, Operator::Eq | Operator::NotEq) {
            return None;
        }
        let (filter, is_positive) = match op {
            Operator::Eq => (field.eq(value), true),
            Operator::NotEq => (field.eq(value), false),
            Operator::Lt => (field.lt(value), true),
            Operator::LtEq => (field.lte(value), true),
            Operator::Gt => (field.gt(value), true),
            Operator::GtEq => (field.gte(value), true),
            _ => return None,
        };
        self.or_opposite(filter, name, is_positive == wanted)
    }

    /// The filter, or the records that have another value.
    fn or_opposite(&self, filter: Filter, name: &str, wanted: bool) -> Option<Filter> {
        if wanted {
            return Some(filter);
        }
        Some(has_value(name, self.columns.value_type(name)?)?.and(!filter))
    }

    fn listed(&self, expr: &Expr, list: &[Expr], wanted: bool) -> Option<Filter> {
        let Expr::Column(column) = expr else { return None };
        let value_type = self.columns.value_type(column.name())?;
        let value = |expr: &Expr| match expr {
            Expr::Literal(value, _) => literal(value, value_type),
            _ => None,
        };
        let values = list.iter().map(value).collect::<Option<Vec<_>>>()?;
        self.or_opposite(Filter::field(column.name()).is_in(values), column.name(), wanted)
    }

    /// `LIKE 'x%'`.
    fn like(&self, like: &Like, wanted: bool) -> Option<Filter> {
        let (Expr::Column(column), Expr::Literal(pattern, _)) = (&*like.expr, &*like.pattern) else {
            return None;
        };
        self.typed(column.name(), ValueType::String)?;
        let prefix = text(pattern)?.strip_suffix('%')?;
        if like.case_insensitive || like.escape_char.is_some() || prefix.contains(['%', '_', '\\']) {
            return None;
        }
        self.or_opposite(Filter::field(column.name()).prefix(prefix), column.name(), like.negated != wanted)
    }
}

/// Records that have a value in a field: not those that have only an object or an empty array there.
fn has_value(name: &str, value_type: ValueType) -> Option<Filter> {
    let field = || Filter::field(name);
    match value_type {
        ValueType::Bool => Some(field().is_in([true, false])),
        ValueType::Int | ValueType::Float => Some(field().lt(0).or(field().gte(0))),
        ValueType::String => Some(field().prefix("")),
        ValueType::Date => None,
    }
}

/// A literal that compares with values of a type as in SQL.
fn literal(value: &ScalarValue, value_type: ValueType) -> Option<FilterValue> {
    match (value, value_type) {
        (ScalarValue::Boolean(Some(value)), ValueType::Bool) => Some((*value).into()),
        (ScalarValue::Int64(Some(value)), ValueType::Int) => Some((*value).into()),
        // SQL orders -0 before 0, and NaN behind all numbers.
        (ScalarValue::Float64(Some(value)), ValueType::Float) if value.is_finite() && *value != 0.0 => {
            Some((*value).into())
        }
        // A string that is a date would be compared as a point in time.
        (value, ValueType::String) => {
            let text = text(value)?;
            FilterValue::datetime(text).is_err().then(|| text.into())
        }
        _ => None,
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref()
        }
        _ => None,
    }
}
