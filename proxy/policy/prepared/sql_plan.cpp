#include "proxy/policy/prepared/sql_plan.h"

#include <algorithm>

#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {
namespace {

std::uint32_t count_characters(std::string_view text) {
  return static_cast<std::uint32_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool among(const std::vector<StatementRef>& list, const StatementRef& statement) {
  return std::any_of(list.begin(), list.end(),
                     [&](const StatementRef& one) { return one.get() == statement.get(); });
}

// The names and the server's statements as the part of the string planned so far leaves them.
class Planner {
 public:
  Planner(std::string_view sql, bool several, const SharedPlanning& planning, const ClientStatements& client,
          ServerStatements& server, StatementStore& store)
      : sql_(sql), several_(several), planning_(planning), client_(client), server_(server), store_(store), text_(sql) {}

  void add(const SqlVerb& verb) {
    switch (verb.verb) {
      case Verb::prepare:
        return prepare(verb);
      case Verb::execute:
        if (const StatementRef known = meaning_of(verb.name)) {
          use(verb, known);
          // A DEALLOCATE ALL that came as a message. Behind EXPLAIN it does not run.
          const bool runs = words::is_word(sql_.substr(verb.begin, 7), "execute");
          if (runs && known->text->touches_statements) forget_all();
        }
        return;
      case Verb::deallocate:
        return deallocate(verb);
      case Verb::forget_all:
        return forget_all();
      case Verb::other:
        return;
    }
  }

  SqlPlan finish() {
    plan_.text = text_.finish();
    plan_.edits = std::move(text_.edits);
    return std::move(plan_);
  }

 private:
  void forget_all() {
    names_.clear();
    made_.clear();
    all_gone_ = true;
  }

  void prepare(const SqlVerb& verb) {
    if (const StatementRef known = meaning_of(verb.name)) {
      // PostgreSQL looks at the text before it refuses the name: so it gets both.
      use(verb, known);
      plan_.orders.push_back({Verb::prepare, false, verb.name, {}});
      return;
    }
    std::string rest(sql_.substr(verb.name_end, verb.end - verb.name_end));
    StatementRef made = store_.intern(as_bytes(rest), StatementKind::sql, planning_);
    // Twice the same text in one string: two statements, for the second would find its name taken. And an error has to
    // be about one of the client's names.
    for (; among(used_, made) || (several_ && !client_.name_of(*made).empty());
         made = store_.intern(as_bytes(rest), StatementKind::sql, planning_))
      rest += ' ';
    clear_the_way_for(made);
    plan_.orders.push_back({Verb::prepare, false, verb.name, made});
    name(verb, made, made->id);
    make(made);
    names_.push_back({std::string(ClientStatements::key_of(verb.name)), made});
  }

  void deallocate(const SqlVerb& verb) {
    if (!meaning_of(verb.name)) return;
    const std::uint64_t id = store_.fresh_id();
    text_.insert(verb.begin, "PREPARE " + quoted_name(id) + " AS SELECT 1; ");
    text_.replace(verb.name_at, verb.name_end, quoted_name(id));
    plan_.renames.push_back({id, verb.name});
    plan_.orders.push_back({Verb::prepare, true, {}, {}});
    plan_.orders.push_back({Verb::deallocate, false, verb.name, {}});
    names_.push_back({std::string(ClientStatements::key_of(verb.name)), {}});
  }

  // Calls a statement that exists, or is made to, by the server's name.
  void use(const SqlVerb& verb, StatementRef statement) {
    const std::optional<std::uint64_t> there = id_there(statement);
    if (!there) {
      if (!same_planning(statement->text->planning, planning_)) {
        return use(verb, store_.intern(statement->identity(), statement->text->kind, planning_));
      }
      if (statement->text->kind == StatementKind::parsed) {
        if (!among(plan_.needed, statement)) plan_.needed.push_back(statement);
      } else {
        clear_the_way_for(statement);
        text_.insert(verb.begin, prepare_text(*statement) + "; ");
        plan_.orders.push_back({Verb::prepare, true, {}, statement});
        make(statement);
      }
    }
    name(verb, statement, there.value_or(statement->id));
  }

  void name(const SqlVerb& verb, const StatementRef& statement, std::uint64_t id) {
    text_.replace(verb.name_at, verb.name_end, quoted_name(id));
    plan_.renames.push_back({id, verb.name});
    if (!among(used_, statement)) used_.push_back(statement);
  }

  // It is about to be prepared under its name, which another worker's statement may have that is out of date.
  void clear_the_way_for(const StatementRef& statement) {
    if (!all_gone_ && (server_.find(*statement) || server_.has_foreign(statement->id))) plan_.in_the_way.push_back(statement);
  }

  void make(const StatementRef& statement) {
    made_.push_back(statement);
    ++plan_.made;
  }

  // What the server calls it: another name than ours where another worker has had it prepared.
  std::optional<std::uint64_t> id_there(const StatementRef& statement) {
    if (among(made_, statement)) return statement->id;
    if (all_gone_) return std::nullopt;
    auto* there = server_.find(*statement);
    if (!there || there->stale()) return std::nullopt;
    server_.touch(*there);
    return there->id;
  }

  StatementRef meaning_of(std::string_view name) const {
    const std::string_view key = ClientStatements::key_of(name);
    for (auto one = names_.rbegin(); one != names_.rend(); ++one) {
      if (one->first == key) return one->second;
    }
    const StatementRef* known = all_gone_ ? nullptr : client_.find(key);
    return known ? *known : StatementRef();
  }

  std::string_view sql_;
  bool several_;
  const SharedPlanning& planning_;
  const ClientStatements& client_;
  ServerStatements& server_;
  StatementStore& store_;
  SqlRewrite text_;
  SqlPlan plan_;
  std::vector<std::pair<std::string, StatementRef>> names_;   // latest last; empty: deallocated
  std::vector<StatementRef> made_, used_;
  bool all_gone_ = false;
};

}  // namespace

std::uint32_t client_position(const std::vector<SqlEdit>& edits, std::uint32_t position) {
  if (position == 0) return 0;
  std::uint32_t at = position - 1, added = 0, removed = 0;
  for (const SqlEdit& edit : edits) {
    if (at < edit.at) break;
    if (at < edit.at + edit.added) {
      at = edit.at;
      break;
    }
    added += edit.added;
    removed += edit.removed;
  }
  return at - added + removed + 1;
}

void SqlRewrite::copy_up_to(std::size_t at) {
  const std::string_view part = sql_.substr(copied_, at - copied_);
  text_ += part;
  characters_ += count_characters(part);
  copied_ = at;
}

void SqlRewrite::replace(std::size_t from, std::size_t to, std::string_view words) {
  copy_up_to(from);
  const std::uint32_t added = count_characters(words);
  edits.push_back({characters_, count_characters(sql_.substr(from, to - from)), added});
  text_ += words;
  characters_ += added;
  copied_ = to;
}

std::string SqlRewrite::finish() {
  if (edits.empty()) return {};
  copy_up_to(sql_.size());
  return std::move(text_);
}

std::string quoted_name(std::uint64_t id) {
  std::string name("\"");
  name.append(ServerName(id).view()).push_back('"');
  return name;
}

std::string prepare_text(const Statement& statement) {
  std::string text("PREPARE " + quoted_name(statement.id));
  text.append(statement.text->sql());
  // Its last line may be a comment.
  text.push_back('\n');
  return text;
}

std::string renamed(std::string_view text, const SqlVerb& verb, std::string_view server_name,
                    std::vector<SqlEdit>& edits) {
  SqlRewrite rewrite(text);
  std::string quoted("\"");
  quoted.append(server_name).push_back('"');
  rewrite.replace(verb.name_at, verb.name_end, quoted);
  edits = rewrite.edits;
  return rewrite.finish();
}

SqlPlan plan_sql(std::string_view sql, const std::vector<SqlVerb>& verbs, const SharedPlanning& planning,
                 const ClientStatements& client, ServerStatements& server, StatementStore& store) {
  Planner planner(sql, verbs.size() > 1, planning, client, server, store);
  for (const SqlVerb& verb : verbs) planner.add(verb);
  return planner.finish();
}

}  // namespace pgweir::policy
