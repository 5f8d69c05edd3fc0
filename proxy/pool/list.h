// A doubly linked list whose links live in its members: no allocation, removal in O(1), order of insertion.
#pragma once

#include <cstddef>

#include "proxy/core/check.h"

namespace pgweir {

// The links of one membership. A member leaves its list by itself when it is destroyed.
template <typename T>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { PGWEIR_CHECK(!linked()); }
  bool linked() const { return next_ != nullptr; }

 private:
  template <typename U, ListHook<U> U::*>
  friend class List;
  ListHook* previous_ = nullptr;
  ListHook* next_ = nullptr;
  T* owner_ = nullptr;
};

// The head. Owns nothing. Used on one thread.
template <typename T, ListHook<T> T::*Hook>
class List {
 public:
  List() { root_.previous_ = root_.next_ = &root_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    PGWEIR_CHECK(empty());
    root_.previous_ = root_.next_ = nullptr;
  }

  bool empty() const { return root_.next_ == &root_; }
  std::size_t size() const { return size_; }
  T* front() const { return empty() ? nullptr : root_.next_->owner_; }
  T* back() const { return empty() ? nullptr : root_.previous_->owner_; }
  T* after(const T& member) const {
    const ListHook<T>& hook = member.*Hook;
    return hook.next_ == &root_ ? nullptr : hook.next_->owner_;
  }

  void push_back(T& member) { insert_before(root_, member); }
  void push_front(T& member) { insert_before(*root_.next_, member); }
  void remove(T& member) {
    ListHook<T>& hook = member.*Hook;
    PGWEIR_CHECK(hook.linked());
    hook.previous_->next_ = hook.next_;
    hook.next_->previous_ = hook.previous_;
    hook.previous_ = hook.next_ = nullptr;
    --size_;
  }
  void remove_if_linked(T& member) {
    if ((member.*Hook).linked()) remove(member);
  }
  T* pop_front() {
    T* member = front();
    if (member) remove(*member);
    return member;
  }
  // Calls f(member) for each; f may remove that member from the list.
  template <typename F>
  void for_each(F&& f) const {
    for (ListHook<T>* hook = root_.next_; hook != &root_;) {
      ListHook<T>* next = hook->next_;
      f(*hook->owner_);
      hook = next;
    }
  }

 private:
  void insert_before(ListHook<T>& place, T& member) {
    ListHook<T>& hook = member.*Hook;
    PGWEIR_CHECK(!hook.linked());
    hook.owner_ = &member;
    hook.previous_ = place.previous_;
    hook.next_ = &place;
    place.previous_->next_ = &hook;
    place.previous_ = &hook;
    ++size_;
  }

  mutable ListHook<T> root_;
  std::size_t size_ = 0;
};

}  // namespace pgweir
