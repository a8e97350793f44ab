//! What a query asks of fields of the metadata as columns: order, totals, counts, groups, values.

use super::facet::{Facet, Order};
use super::query::Query;

/// What is answered from fields of the metadata as columns, without records.
impl Query {
    /// Sorts hits by a field instead of by score; called again, by a second field those with equal values in the first, and so on. Of several
    /// values that a record has in an array the first in this order counts. Records without the field come last, equals in the order of their ids. Bools come
    /// before numbers, numbers before strings, strings before dates; strings are compared by their first 256 bytes, and longer ones that begin alike are in no order that means anything.
    ///
    /// Without a vector all records that match are sorted, and every score is 0. Near a vector, or by meaning, every record is, to some degree: then the best
    /// [`candidates`](Query::candidates), 100 by default, are sorted and keep their scores, and `k` and `offset` together are at most as many.
    ///
    /// ```
    /// use compact_artifact::{Filter, Order, Query};
    ///
    /// let newest = Query::words("whale").filter(Filter::field("lang").eq("en")).order_by("published", Order::Descending);
    /// # let _ = newest;
    /// ```
    pub fn order_by(mut self, field: impl Into<String>, order: Order) -> Self {
        self.order.push((field.into(), order));
        self
    }

    /// Counts all records that match, whatever `k`, `offset` and [`min_score`](Query::min_score) are. Of words: those that have them; of a vector: those that have
    /// an embedding in its space; of several lists: those that any of them has. It takes time where words are common, so it is off unless asked for.
    pub fn total(mut self, total: bool) -> Self {
        self.total = total;
        self
    }

    /// Counts values of a field among all records that match, as for [`total`](Query::total).
    pub fn facet(mut self, facet: Facet) -> Self {
        self.facets.push(facet);
        self
    }

    /// At most `n` hits, 1 or more, of each value of a field: the best of them. So the paragraphs of one text do not crowd a page. Of several values that a record has in an
    /// array the first in the order of [`order_by`](Query::order_by) counts, and dates of one time are one value, however they are written; a record without the field is a group of its own. Pages are still pieces of one ranking; `total` and
    /// facets count all records that match, in groups or not. To give `k` groups the search goes as deep as it must, up to 65,536 hits; if there may be more groups
    /// behind those, the results are not [complete](crate::SearchResults::is_complete).
    ///
    /// ```
    /// use compact_artifact::Query;
    ///
    /// let one_of_each_book = Query::words("whale").group_by("book", 1).k(10);
    /// # let _ = one_of_each_book;
    /// ```
    pub fn group_by(mut self, field: impl Into<String>, n: usize) -> Self {
        self.group = Some((field.into(), n));
        self
    }

    /// Fields of the metadata that hits come with, see [`Hit::field`](crate::Hit::field): from columns, without reading records. Named a second time, these take
    /// the place of those before.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Query, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add(Record::text("a whale").metadata(json!({"title": "Moby-Dick", "year": 1851, "tags": ["sea", "old"]})))?;
    /// let found = artifact.search(&Query::words("whale").fields(["title", "tags"]))?;
    /// assert_eq!(found.hits[0].field("title"), Some(&json!("Moby-Dick")));
    /// assert_eq!(found.hits[0].field("tags"), Some(&json!(["old", "sea"])));
    /// assert_eq!(found.hits[0].field("year"), None);
    /// # Ok(()) }
    /// ```
    pub fn fields(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }
}
