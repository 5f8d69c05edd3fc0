// /metrics: what a snapshot tells, in Prometheus's text format.
#pragma once

#include <string>

#include "proxy/web/alerts.h"
#include "proxy/web/exposition.h"
#include "proxy/web/snapshot.h"

namespace pgweir {

// Names, labels, types and values of prometheus-community/pgbouncer_exporter, so that its dashboards and alerts work.
// `snapshot` has Wants::pools and Question::clients.
void tell_exporter_metrics(Exposition& out, const Snapshot& snapshot, const Ledger& ledger, const std::string& version);

// What nobody else measures: histograms of queue, query and transaction time, errors, closes, waits, saturation.
void tell_own_metrics(Exposition& out, const Snapshot& snapshot, const Ledger& ledger);
void tell_alert_metrics(Exposition& out, const Alerts& alerts);
// The classes of statements in `queries` (Wants::queries), no more than metrics_queries of them.
void tell_query_metrics(Exposition& out, const Snapshot& queries);

}  // namespace pgweir
