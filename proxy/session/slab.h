// Objects of one kind on one worker, found by place and generation: a stale id finds nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/session/ports.h"

namespace pgweir {

// Owns its objects; their addresses stay. T has a member `Token token`. Used on one thread.
template <typename T>
class Slab {
 public:
  explicit Slab(Token::Kind kind) : kind_(kind) {}

  template <typename... Args>
  T& make(Args&&... args) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(places_.size()));
      places_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Place& place = places_[index];
    place.object = std::make_unique<T>(std::forward<Args>(args)...);
    place.object->token = {kind_, index, place.generation};
    ++size_;
    return *place.object;
  }

  T* find(Token token) const {
    if (token.kind != kind_ || token.index >= places_.size()) return nullptr;
    const Place& place = places_[token.index];
    return place.generation == token.generation ? place.object.get() : nullptr;
  }
  T* at(std::uint32_t index) const { return index < places_.size() ? places_[index].object.get() : nullptr; }

  void bury(Token token) {
    Place& place = places_[token.index];
    place.object.reset();
    ++place.generation;
    free_.push_back(token.index);
    --size_;
  }

  std::size_t size() const { return size_; }
  // In the order of places, so that a simulation can be repeated.
  template <typename F>
  void for_each(F&& f) const {
    for (std::size_t i = 0; i < places_.size(); ++i)
      if (places_[i].object) f(*places_[i].object);
  }

 private:
  struct Place {
    std::unique_ptr<T> object;
    std::uint32_t generation = 1;
  };
  Token::Kind kind_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace pgweir
