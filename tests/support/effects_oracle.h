// What a text does to its session by the tree that PostgreSQL's own parser (libpg_query) makes of it, to be held against what
// sql::session_effects() reads in its tokens: that may see too much, but never too little.
#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "protocol/sql/builtin_functions.h"
#include "protocol/sql/session_effects.h"

namespace pgweir::oracle {

struct TreeEffects {
  bool parsed = false;
  std::set<std::string> settings, functions, executed;   // in lower case, but for `executed`
  std::set<int> parameters;                               // set_config($1, ...)
  bool resets_all = false, computed_setting = false, leaves = false, takes = false, loads = false, code = false;
  bool none() const {
    return settings.empty() && functions.empty() && executed.empty() && parameters.empty() && !resets_all && !computed_setting && !leaves &&
           !takes && !loads && !code;
  }
};

class TreeReader {
 public:
  static TreeEffects read(const std::string& sql) {
    TreeReader reader;
    const PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(sql.c_str());
    if (!parsed.error) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(parsed.parse_tree.data);
      if (PgQuery__ParseResult* tree = pg_query__parse_result__unpack(nullptr, parsed.parse_tree.len, bytes)) {
        reader.found_.parsed = true;
        for (std::size_t i = 0; i < tree->n_stmts; ++i)
          if (tree->stmts[i]->stmt) reader.statement(*tree->stmts[i]->stmt);
        pg_query__parse_result__free_unpacked(tree, nullptr);
      }
    }
    pg_query_free_protobuf_parse_result(parsed);
    return std::move(reader.found_);
  }

 private:
  static std::string lower(std::string_view text) {
    std::string folded(text);
    std::transform(folded.begin(), folded.end(), folded.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return folded;
  }

  // Each message of the tree; visit() says whether its own are of interest.
  template <typename F>
  static void walk(const ProtobufCMessage* message, const F& visit) {
    if (!message || !visit(*message)) return;
    const auto* base = reinterpret_cast<const char*>(message);
    const ProtobufCMessageDescriptor& type = *message->descriptor;
    for (unsigned i = 0; i < type.n_fields; ++i) {
      const ProtobufCFieldDescriptor& field = type.fields[i];
      if (field.type != PROTOBUF_C_TYPE_MESSAGE) continue;
      if (field.label == PROTOBUF_C_LABEL_REPEATED) {
        const std::size_t count = *reinterpret_cast<const std::size_t*>(base + field.quantifier_offset);
        auto* const* const members = *reinterpret_cast<ProtobufCMessage* const* const*>(base + field.offset);
        for (std::size_t n = 0; n < count; ++n) walk(members[n], visit);
        continue;
      }
      const bool one_of = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
      if (one_of && *reinterpret_cast<const std::uint32_t*>(base + field.quantifier_offset) != field.id) continue;
      walk(*reinterpret_cast<ProtobufCMessage* const*>(base + field.offset), visit);
    }
  }
  template <typename T>
  static const T* as(const ProtobufCMessage& message, const ProtobufCMessageDescriptor& type) {
    return message.descriptor == &type ? reinterpret_cast<const T*>(&message) : nullptr;
  }
  static std::string_view string_of(const PgQuery__Node& node) {
    return node.node_case == PG_QUERY__NODE__NODE_STRING && node.string->sval ? node.string->sval : "";
  }

  void statement(const PgQuery__Node& node) {
    switch (node.node_case) {
      case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT: return set(*node.variable_set_stmt);
      case PG_QUERY__NODE__NODE_LISTEN_STMT: found_.leaves = true; return;
      case PG_QUERY__NODE__NODE_UNLISTEN_STMT: found_.takes = true; return;
      case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT: found_.takes = true; return;
      case PG_QUERY__NODE__NODE_DROP_STMT: found_.takes = true; return;
      case PG_QUERY__NODE__NODE_LOAD_STMT: found_.loads = true; return;
      case PG_QUERY__NODE__NODE_DO_STMT: found_.code = true; return;
      case PG_QUERY__NODE__NODE_DISCARD_STMT:
        found_.resets_all |= node.discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL;
        found_.takes |= node.discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL || node.discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP;
        return;
      case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT: {
        constexpr int hold = 0x20;                       // CURSOR_OPT_HOLD
        found_.leaves |= (node.declare_cursor_stmt->options & hold) != 0;
        return calls(node);
      }
      case PG_QUERY__NODE__NODE_CREATE_STMT: return makes(node.create_stmt->relation);
      case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT: return makes(node.create_seq_stmt->sequence);
      case PG_QUERY__NODE__NODE_VIEW_STMT: return makes(node.view_stmt->view);
      case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
        if (node.create_function_stmt->n_funcname > 1) found_.leaves |= string_of(*node.create_function_stmt->funcname[0]) == "pg_temp";
        return;
      case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        if (node.create_table_as_stmt->into) makes(node.create_table_as_stmt->into->rel);
        return calls(node);
      case PG_QUERY__NODE__NODE_SELECT_STMT:
        if (node.select_stmt->into_clause) makes(node.select_stmt->into_clause->rel);
        return calls(node);
      case PG_QUERY__NODE__NODE_UPDATE_STMT:
        if (const auto* table = node.update_stmt->relation; table && table->relname) found_.resets_all |= std::string_view(table->relname) == "pg_settings";
        return calls(node);
      case PG_QUERY__NODE__NODE_INSERT_STMT: case PG_QUERY__NODE__NODE_DELETE_STMT: case PG_QUERY__NODE__NODE_MERGE_STMT:
      case PG_QUERY__NODE__NODE_CALL_STMT: case PG_QUERY__NODE__NODE_COPY_STMT: case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      case PG_QUERY__NODE__NODE_PREPARE_STMT: case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return calls(node);
      default:
        return;
    }
  }

  void makes(const PgQuery__RangeVar* table) {
    if (!table) return;
    found_.leaves |= std::string_view(table->relpersistence ? table->relpersistence : "") == "t" ||
                     std::string_view(table->schemaname ? table->schemaname : "") == "pg_temp";
  }

  void set(const PgQuery__VariableSetStmt& stmt) {
    if (stmt.is_local) return;
    const std::string name = lower(stmt.name ? stmt.name : "");
    if (stmt.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
      found_.resets_all = true;
    } else if (stmt.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) {
      if (name == "session characteristics") found_.settings.insert("default_transaction_isolation");
    } else if (name.substr(0, 12) != "transaction_" && !is_no_setting(name)) {       // it ends with its transaction
      found_.settings.insert(name);
    }
  }

  // Words with a meaning of their own behind SET; PostgreSQL refuses them as names. SEED is no state that matters.
  static bool is_no_setting(std::string_view name) {
    for (const std::string_view word : {"session", "local", "names", "schema", "time", "xml", "transaction", "constraints", "characteristics", "seed"})
      if (name == word) return true;
    return false;
  }

  void calls(const PgQuery__Node& node) {
    walk(&node.base, [&](const ProtobufCMessage& message) {
      if (const auto* call = as<PgQuery__FuncCall>(message, pg_query__func_call__descriptor)) function(*call);
      if (const auto* execute = as<PgQuery__ExecuteStmt>(message, pg_query__execute_stmt__descriptor))
        found_.executed.insert(execute->name ? execute->name : "");
      return true;
    });
  }

  void function(const PgQuery__FuncCall& call) {
    if (call.n_funcname == 0) return;
    const std::string name(string_of(*call.funcname[call.n_funcname - 1]));
    const bool own = call.n_funcname == 1 || string_of(*call.funcname[call.n_funcname - 2]) == "pg_catalog";
    if (own && (name == "pg_advisory_lock" || name == "pg_advisory_lock_shared" || name == "pg_try_advisory_lock" ||
                name == "pg_try_advisory_lock_shared")) {
      found_.leaves = true;
    } else if (own && (name == "pg_advisory_unlock" || name == "pg_advisory_unlock_shared" || name == "pg_advisory_unlock_all")) {
      found_.takes = true;
    } else if (own && name == "set_config") {
      config_call(call);
    } else if (!own || !sql::is_builtin_function(name)) {
      if (name != "set_config" && name.substr(0, 3) != "pg_") found_.functions.insert(lower(name));
    }
  }

  void config_call(const PgQuery__FuncCall& call) {
    if (call.n_args == 3 && is_true(*call.args[2])) return;
    const PgQuery__Node* name = call.n_args > 0 ? call.args[0] : nullptr;
    while (name && name->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) name = name->type_cast->arg;
    if (name && name->node_case == PG_QUERY__NODE__NODE_PARAM_REF) found_.parameters.insert(name->param_ref->number);
    else if (name && name->node_case == PG_QUERY__NODE__NODE_A_CONST && name->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
      found_.settings.insert(lower(name->a_const->sval->sval ? name->a_const->sval->sval : ""));
    else found_.computed_setting = true;
  }

  static bool is_true(const PgQuery__Node& node) {
    const PgQuery__Node* value = &node;
    while (value && value->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) value = value->type_cast->arg;
    if (!value || value->node_case != PG_QUERY__NODE__NODE_A_CONST) return false;
    const PgQuery__AConst& constant = *value->a_const;
    if (constant.val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) return constant.boolval->boolval;
    if (constant.val_case != PG_QUERY__A__CONST__VAL_SVAL) return false;
    const std::string text = lower(constant.sval->sval ? constant.sval->sval : "");
    return text == "t" || text == "true";
  }

  TreeEffects found_;
};

// What `seen` lacks of `wanted`; empty: nothing. A setting that cannot be read keeps its server; code and what may be gone are
// looked behind in full.
inline std::string lacking(const sql::SessionEffects& seen, const TreeEffects& wanted) {
  const bool kept = seen.unreadable_setting;
  const auto has = [](const std::vector<std::string>& all, const std::string& one) {
    // Where PostgreSQL cuts a long name depends on its encoding.
    const auto same = [&](const std::string& other) { return other == one || (one.size() >= 60 && other.substr(0, 59) == one.substr(0, 59)); };
    return std::any_of(all.begin(), all.end(), same);
  };
  for (const std::string& name : wanted.settings)
    if (!kept && !has(seen.settings, name)) return "the setting " + name;
  for (const int number : wanted.parameters)
    if (!kept && std::find(seen.setting_parameters.begin(), seen.setting_parameters.end(), number) == seen.setting_parameters.end()) return "a parameter";
  for (const std::string& name : wanted.functions)
    if (!kept && !seen.runs_code && !has(seen.functions, name)) return "the function " + name;
  // Another spelling of a name means a statement that nobody knows, which is looked behind in full.
  if (!wanted.executed.empty() && seen.executed.empty()) return "what is executed";
  if (wanted.computed_setting && !kept) return "a computed setting";
  if (wanted.resets_all && !seen.all_settings) return "all settings";
  if (wanted.leaves && !seen.leaves_something && !kept && !seen.runs_code) return "what is left";
  if (wanted.takes && !seen.takes_something_away && !kept && !seen.runs_code) return "what is gone";
  if (wanted.loads && !seen.loads_library) return "a library";
  if (wanted.code && !seen.runs_code) return "code";
  return {};
}

}  // namespace pgweir::oracle
