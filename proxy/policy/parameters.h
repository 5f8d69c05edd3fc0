// Session settings that PostgreSQL reports and that follow a client from server to server (PgBouncer's "varcache").
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::policy {

// Which settings are followed: the five that PgBouncer follows, and track_extra_parameters. Built once at start.
class TrackedParameters {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  // `extra`: track_extra_parameters, a comma list.
  explicit TrackedParameters(std::string_view extra);

  // Place of a setting, by name in any case; none: not followed.
  std::size_t place_of(std::string_view name) const;
  std::size_t size() const { return names_.size(); }
  const std::string& name(std::size_t place) const { return names_[place]; }

 private:
  std::vector<std::string> names_;
};

// One value per tracked setting, by place; nullopt: not known.
using ParameterValues = std::vector<std::optional<std::string>>;
// Shared, since most clients of a pool have the same ones; equal pointers mean equal values.
using SharedParameters = std::shared_ptr<const ParameterValues>;

// `values` with one of them replaced.
SharedParameters with_value(const SharedParameters& values, std::size_t place, std::string_view value,
                            std::size_t size);
const std::optional<std::string>* value_at(const SharedParameters& values, std::size_t place);

// Makes clients with equal values share them: clients of an application come with the same, many thousand of them. Keeps a bounded
// number of them alive. Owned by its worker, on its thread.
class ParameterPool {
 public:
  SharedParameters same_as(SharedParameters values);

 private:
  static constexpr std::size_t lines = 64;     // a power of two
  std::array<SharedParameters, lines> known_;
};

// The SQL that gives a server the client's values where both are known and differ; empty: nothing to do.
std::string difference(const TrackedParameters& tracked, const SharedParameters& client,
                       const SharedParameters& server);

std::string lower_case(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
// 'text' as an SQL literal.
std::string quote_literal(std::string_view text);

}  // namespace pgweir::policy
