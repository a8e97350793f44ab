//! The table and the JSON of all settings.

#![expect(clippy::cast_precision_loss, reason = "a number of collections")]

use std::fmt::Write as _;

use benches::{Result, machine};
use compact_artifact::Fusion;
use serde_json::{Value, json};

use crate::collection::Collection;
use crate::measure::Figures;
use crate::switches::{Ask, QueryValues, SetupValues, Switches};

pub(crate) struct Report {
    collections: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    asked: String,
    setting: Vec<(&'static str, String)>,
    figures: Vec<Figures>,
}

impl Report {
    pub(crate) fn new(collections: &[Collection]) -> Self {
        Self { collections: collections.iter().map(|c| c.name.clone()).collect(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, setup: &SetupValues, asked: &QueryValues, figures: Vec<Figures>) {
        let ask = match asked.ask {
            Ask::Words => "words",
            Ask::Meaning => "meaning",
            Ask::Both => "both",
        };
        let fusion = asked.fusion.map(|fusion| match fusion {
            Fusion::Normalized => "normalized".to_owned(),
            _ => "ranks".to_owned(),
        });
        let stop_words = setup.stop_words.map(|left_out| if left_out { "on" } else { "off" }.to_owned());
        let setting = [
            ("language", setup.language.clone()),
            ("stop-words", stop_words),
            ("k1", setup.k1.map(|k1| k1.to_string())),
            ("b", setup.b.map(|b| b.to_string())),
            ("title", setup.title.map(|times| times.to_string())),
            ("fusion", fusion),
            ("candidates", asked.candidates.map(|candidates| candidates.to_string())),
            ("exact", asked.exact.then(|| "on".to_owned())),
            ("ef-search", asked.ef_search.map(|ef| ef.to_string())),
            ("graph", (!setup.graph).then(|| "off".to_owned())),
            ("originals", setup.originals.map(|kind| format!("{kind:?}").to_lowercase())),
            ("model", setup.built_in.then(|| "built-in".to_owned())),
            ("meaning-weight", asked.meaning_weight.map(|weight| weight.to_string())),
        ];
        let setting = setting.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.rows.push(Row { asked: ask.to_owned(), setting, figures });
    }

    /// nDCG@10 of each collection, then the means of the figures over the collections.
    pub(crate) fn table(&self, switches: &Switches) -> Result<String> {
        let mut table = format!("{}\n\n| asked | setting |", begun(switches)?);
        for name in &self.collections {
            write!(table, " {name} |")?;
        }
        table.push_str(" mean nDCG@10 | recall@100 | MRR@10 |\n|---|---|");
        writeln!(table, "{}---|---|---|", "---|".repeat(self.collections.len()))?;
        for row in &self.rows {
            let setting: Vec<String> =
                row.setting.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let setting = if setting.is_empty() { "default".to_owned() } else { setting.join(", ") };
            write!(table, "| {} | {setting} |", row.asked)?;
            for figures in &row.figures {
                write!(table, " {:.3} |", figures.ndcg)?;
            }
            let mean = row.mean();
            writeln!(table, " {:.4} | {:.3} | {:.3} |", mean.ndcg, mean.recall, mean.mrr)?;
        }
        Ok(table)
    }

    pub(crate) fn json(&self, switches: &Switches) -> Result<String> {
        let of_figures =
            |f: &Figures| json!({"ndcg_at_10": f.ndcg, "recall_at_100": f.recall, "mrr_at_10": f.mrr});
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let setting: serde_json::Map<String, Value> =
                    row.setting.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                let each: serde_json::Map<String, Value> = self
                    .collections
                    .iter()
                    .zip(&row.figures)
                    .map(|(name, f)| (name.clone(), of_figures(f)))
                    .collect();
                json!({"asked": row.asked, "setting": setting, "mean": of_figures(&row.mean()), "collections": each})
            })
            .collect();
        let all = json!({"machine": begun(switches)?, "rows": rows});
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}

/// Machine, date and command, wherever the folder is.
fn begun(switches: &Switches) -> Result<String> {
    let machine = machine()?;
    let machine = machine.split("; `").next().unwrap_or_default();
    Ok(format!("{machine}; `relevance FOLDER{}`", switches.given))
}

impl Row {
    fn mean(&self) -> Figures {
        let count = self.figures.len() as f64;
        let mean = |figure: fn(&Figures) -> f64| self.figures.iter().map(figure).sum::<f64>() / count;
        Figures { ndcg: mean(|f| f.ndcg), recall: mean(|f| f.recall), mrr: mean(|f| f.mrr) }
    }
}
