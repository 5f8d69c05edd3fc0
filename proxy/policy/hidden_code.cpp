#include "proxy/policy/hidden_code.h"

#include "proxy/policy/parameters.h"

namespace pgweir::policy {

// Source: PostgreSQL's pg_proc.dat for the numbers: set_config 2078, pg_advisory_lock() and its like 2880 to 2892, setseed 1599.
const char* hidden_code_question() {
  return R"sql(SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '5s';
WITH RECURSIVE
source AS (SELECT p.oid, lower(p.proname) AS name, l.lanname, lower(told.told) AS told,
  regexp_replace(lower(told.told), '--[^\n]*|/\*.*?\*/', ' ', 'g') AS bare
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
    LATERAL (SELECT CASE WHEN p.prosrc = '' THEN pg_get_functiondef(p.oid) ELSE p.prosrc END AS told) told
  WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')),
suspect AS (SELECT oid, name FROM source WHERE lanname NOT IN ('sql', 'plpgsql')
  OR told ~ 'advisory_(un)?lock|pg_temp|setseed|\mwith\s+hold\M|\mtemp(orary)?\s+(table|view|sequence|recursive)\M'
  OR regexp_replace(told, 'set_config\s*\(\s*''[^'']*''\s*(::text)?,([^(),;'']|''[^'']*''|\([^()]*\))*,\s*true\s*\)', '', 'g') ~ 'set_config'
  OR concat(told, ';', bare) ~ '(^|;|\m(begin|then|else|loop|atomic)\M|>>|\*/)\s*(set\s+(?!(local|transaction|constraints)\M)|(reset|discard|(un)?listen|load)\s)'
  OR concat(told, ';', bare) ~ '\mexecute\s+(?!(function|procedure)\M|(format\s*\(\s*)?e?''\s*(insert|update|delete|merge|select|with|create\s+(unlogged\s+)?(table|index|unique|schema)|alter\s+(table|index)|drop|truncate|analyze|refresh|notify|grant|revoke|comment)\M)'),
changing AS (SELECT oid, name FROM suspect
  UNION SELECT s.oid, s.name FROM source s JOIN changing c ON c.oid <> s.oid AND strpos(s.told, c.name) > 0
    AND (c.name !~ '^[a-z0-9_]+$' OR s.told ~ concat('\m', c.name, '\M'))),
unseen AS (SELECT tgfoid AS oid, concat('trigger ', tgname) AS who FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'
  UNION ALL SELECT evtfoid, concat('event trigger ', evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'
  UNION ALL SELECT refobjid, pg_describe_object(classid, objid, objsubid) FROM pg_depend
    WHERE refclassid = 'pg_proc'::regclass AND refobjid IN (SELECT oid FROM changing) AND deptype = 'n'
      AND classid NOT IN ('pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_event_trigger'::regclass)),
tree AS (SELECT tableoid, oid, ev_action::text AS told FROM pg_rewrite WHERE oid >= 16384
  UNION ALL SELECT tableoid, oid, concat(polqual::text, polwithcheck::text) FROM pg_policy
  UNION ALL SELECT tableoid, oid, adbin::text FROM pg_attrdef
  UNION ALL SELECT tableoid, oid, conbin::text FROM pg_constraint WHERE conbin IS NOT NULL),
hidden AS (SELECT tableoid, oid FROM tree WHERE told ~ ':funcid (2078|28[89][0-9]|1599) '),
defined AS (SELECT CASE h.tableoid WHEN 'pg_rewrite'::regclass THEN pg_get_ruledef(h.oid)
  WHEN 'pg_constraint'::regclass THEN pg_get_constraintdef(h.oid)
  WHEN 'pg_attrdef'::regclass THEN (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE oid = h.oid)
  ELSE (SELECT concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE oid = h.oid) END AS told FROM hidden h)
(SELECT 'hidden', concat(u.who, ': ', c.name), '1' FROM unseen u JOIN changing c ON c.oid = u.oid
 UNION ALL SELECT 'hidden', pg_describe_object(tableoid, oid, 0), '1' FROM hidden LIMIT 5)
UNION ALL (SELECT DISTINCT 'name', m[1], '1' FROM defined, regexp_matches(lower(told), 'set_config\s*\(\s*''([a-z0-9_]+\.[a-z0-9_.]+)''', 'g') m LIMIT 200))sql";
}

std::string computed_names_question(const std::vector<std::string>& functions, bool hidden) {
  if (functions.empty() && !hidden) return {};
  std::string names;
  for (const std::string& name : functions) names.append(names.empty() ? "" : ",").append(quote_literal(name));
  // Nothing is looked up along the client's search_path.
  std::string sql = R"sql( UNION ALL SELECT 'computed', '', pg_catalog.count(*)::pg_catalog.text FROM (WITH RECURSIVE
source AS (SELECT p.oid, pg_catalog.lower(p.proname) AS name,
  pg_catalog.lower(CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END) AS told
  FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.>=) 16384),
computing AS (SELECT oid, name FROM source WHERE pg_catalog.textregexeq(
    pg_catalog.regexp_replace(told, 'set_config\s*\(([^();'']|''[^'']*''|\([^()]*\))*,\s*true\s*\)', '', 'g'),
    'set_config\s*\(\s*(?!''[a-z0-9_.]+''\s*(::text)?,)')
  OR (pg_catalog.textregexeq(told, '\mexecute\M') AND pg_catalog.textregexeq(told, '''\s*(re)?set\s+(session\s+)?[a-z0-9_.]*(''|%)'))
  UNION SELECT s.oid, s.name FROM source s, computing c WHERE s.oid OPERATOR(pg_catalog.<>) c.oid
    AND pg_catalog.strpos(s.told, c.name) OPERATOR(pg_catalog.>) 0
    AND CASE WHEN pg_catalog.textregexeq(c.name, '^[a-z0-9_]+$') THEN pg_catalog.textregexeq(s.told, pg_catalog.concat('\m', c.name, '\M')) ELSE true END)
SELECT 1 FROM computing c WHERE c.name OPERATOR(pg_catalog.=) ANY (ARRAY[)sql" + names + "]::pg_catalog.text[])";
  if (hidden) {
    sql += R"sql( OR c.oid OPERATOR(pg_catalog.=) ANY (SELECT tgfoid FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT refobjid FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 1255 AND deptype OPERATOR(pg_catalog.=) 'n'
    AND classid OPERATOR(pg_catalog.<>) 1255))sql";
  }
  return sql + ") found";
}

}  // namespace pgweir::policy
