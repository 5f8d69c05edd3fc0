// Runs a fuzz target without libFuzzer: every file of a corpus folder, then mutations of them from
// a fixed seed.
//
//   replay_NAME FOLDER [SEED]     20 000 mutations, or as many as the target says; the same seed repeats them
//   replay_NAME FILE              this input only
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int replay_rounds() __attribute__((weak));   // a target whose inputs take long has one
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

int rounds() { return replay_rounds ? replay_rounds() : 20'000; }
constexpr std::size_t input_bytes_max = 1 << 17;

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(file), {});
}

// In memory of its own size, so that the sanitizer notices one step too far.
void run(const Input& input) {
  const Input exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t below(Random& random, std::size_t bound) {
  return bound ? random() % bound : 0;
}

void mutate_once(Input& input, const std::vector<Input>& corpus, Random& random) {
  constexpr std::uint8_t striking[] = {0x00, 0x01, 0x04, 0x7f, 0x80, 0xfe, 0xff};
  const std::size_t at = below(random, input.size());
  const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (input.empty() ? 3 : random() % 7) {
    case 0:
      input[at] ^= static_cast<std::uint8_t>(1u << (random() % 8));
      break;
    case 1:
      input[at] = striking[below(random, std::size(striking))];
      break;
    case 2: {
      const std::size_t count = 1 + below(random, input.size() - at);
      input.erase(place, place + static_cast<std::ptrdiff_t>(count));
      break;
    }
    case 3:
      input.insert(place, static_cast<std::uint8_t>(random()));
      break;
    case 4:
      input.resize(at);
      break;
    case 5: {
      const Input part(place, input.end());
      input.insert(input.end(), part.begin(), part.end());
      break;
    }
    default: {
      const Input& other = corpus[below(random, corpus.size())];
      const auto from = other.begin() + static_cast<std::ptrdiff_t>(below(random, other.size()));
      input.insert(place, from, other.end());
      break;
    }
  }
  if (input.size() > input_bytes_max) input.resize(input_bytes_max);
}

void replay_with_mutations(const std::vector<Input>& corpus, std::uint64_t seed) {
  for (int round = 0; round < rounds(); ++round) {
    Random random(seed * static_cast<std::uint64_t>(rounds()) + static_cast<std::uint64_t>(round));
    Input input = corpus[below(random, corpus.size())];
    for (std::size_t count = 1 + below(random, 8); count > 0; --count) {
      mutate_once(input, corpus, random);
    }
    run(input);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [SEED] | FILE\n", argv[0]);
    return 2;
  }
  const std::filesystem::path path = argv[1];
  if (std::filesystem::is_regular_file(path)) {
    run(read_file(path));
    return 0;
  }
  std::vector<Input> corpus;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) corpus.push_back(read_file(file));
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus in %s\n", path.c_str());
    return 1;
  }
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  for (const Input& input : corpus) run(input);
  replay_with_mutations(corpus, seed);
  std::printf("%zu files and %d mutations, seed %llu\n", corpus.size(), rounds(),
              static_cast<unsigned long long>(seed));
  return 0;
}
