#include "proxy/options.h"

#include <getopt.h>

#include <string_view>

#include "proxy/core/version.h"

namespace pgweir {
namespace {

constexpr option long_options[] = {
    {"daemon", no_argument, nullptr, 'd'},  {"reboot", no_argument, nullptr, 'R'},
    {"quiet", no_argument, nullptr, 'q'},   {"verbose", no_argument, nullptr, 'v'},
    {"user", required_argument, nullptr, 'u'}, {"version", no_argument, nullptr, 'V'},
    {"help", no_argument, nullptr, 'h'},    {"check", no_argument, nullptr, 'c'},
    {"environment", no_argument, nullptr, 'e'},
    {nullptr, 0, nullptr, 0},
};

bool names_the_program(std::string_view word) {
  const auto slash = word.rfind('/');
  if (slash != std::string_view::npos) word.remove_prefix(slash + 1);
  return word == "pgbouncer" || word == "pgweir" || word == "run.sh";
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, "dRqvu:Vh", long_options, nullptr)) != -1;) {
    switch (letter) {
      case 'd': options.daemon = true; break;
      case 'R': options.reboot = true; break;
      case 'q': options.quiet = true; break;
      case 'v': ++options.verbose; break;
      case 'u': options.user = optarg; break;
      case 'V': options.action = Options::Action::version; return options;
      case 'h': options.action = Options::Action::help; return options;
      case 'c': options.action = Options::Action::check; break;
      case 'e': options.environment = true; break;
      default:
        options.action = Options::Action::bad;
        options.error = std::string("invalid option: ") + argv[optind - 1];
        return options;
    }
  }
  // What compose files give the other images as the command to run.
  if (options.environment && optind < argc && names_the_program(argv[optind])) ++optind;
  if (optind < argc) options.source = argv[optind];
  if (optind >= argc && options.environment) return options;
  if (optind >= argc) {
    options.action = Options::Action::bad;
    options.error = "no configuration file specified";
  } else if (optind + 1 < argc) {
    options.action = Options::Action::bad;
    options.error = "more than one configuration file specified";
  }
  return options;
}

std::string usage(const std::string& program) {
  return program + " is a connection pooler for PostgreSQL.\n\n"
         "Usage:\n"
         "  " + program + " [OPTION]... CONFIG_FILE\n"
         "  " + program + " [OPTION]... postgres://user:password@host:port/database\n"
         "  " + program + " [OPTION]... --environment [CONFIG_FILE]\n"
         "  " + program + " --check CONFIG_FILE\n\n"
         "Options:\n"
         "  -d, --daemon           run in background (as a daemon)\n"
         "  -R, --reboot           take over from the process that runs: its sockets and clients\n"
         "  -q, --quiet            run quietly\n"
         "  -v, --verbose          increase verbosity\n"
         "  -u, --user=USERNAME    assume identity of USERNAME\n"
         "  -V, --version          show version, then exit\n"
         "  -h, --help             show this help, then exit\n"
         "      --check            tell every mistake in CONFIG_FILE, then exit\n"
         "      --environment      without CONFIG_FILE: the variables of the images edoburu/pgbouncer and bitnami/pgbouncer\n";
}

}  // namespace pgweir
