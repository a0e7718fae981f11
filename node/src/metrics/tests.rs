//! The Grafana dashboard of `docker/` asks for figures that nodes have.

const DASHBOARD: &str = include_str!("../../../docker/grafana/dashboards/orrery.json");
const METRICS: &str = include_str!("mod.rs");
const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// Words that begin with `orrery_`, without the ending that Prometheus adds to histograms.
fn figures(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("orrery_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn every_figure_on_the_dashboard_exists() {
    let asked = figures(DASHBOARD);
    assert!(asked.len() >= 10, "the dashboard shows something: {asked:?}");
    for figure in asked {
        assert!(METRICS.contains(&format!("\"{figure}\"")), "no node has {figure}");
    }
    assert!(serde_json::from_str::<serde_json::Value>(DASHBOARD).is_ok(), "Grafana reads JSON");
}

#[test]
fn every_figure_is_documented() {
    let documented = figures(OPERATIONS);
    for figure in figures(METRICS).into_iter().filter(|figure| METRICS.contains(&format!("\"{figure}\""))) {
        assert!(documented.contains(&figure), "docs/operations.md does not name {figure}");
    }
}
