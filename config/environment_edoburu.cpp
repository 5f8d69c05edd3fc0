// The variables of the image edoburu/pgbouncer: settings in capitals, the server by DB_... or DATABASE_URL.
#include "config/environment.h"
#include "config/text.h"

namespace pgweir {

namespace {

constexpr char usual_userlist[] = "/etc/pgbouncer/userlist.txt";

// A comma may belong to a password: an URL begins where a scheme does.
std::vector<std::string> split_urls(std::string_view list) {
  std::vector<std::string> urls;
  std::size_t begin = 0;
  for (std::size_t comma = list.find(','); comma != std::string_view::npos; comma = list.find(',', comma + 1)) {
    const std::string_view rest = trim(list.substr(comma + 1));
    if (!rest.starts_with("postgres://") && !rest.starts_with("postgresql://")) continue;
    urls.emplace_back(trim(list.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  urls.emplace_back(trim(list.substr(begin)));
  return urls;
}

}  // namespace

void EnvironmentReader::read_edoburu() {
  set("listen_addr", value("LISTEN_ADDR", "0.0.0.0"), "LISTEN_ADDR");
  set("listen_port", value("LISTEN_PORT", "5432"), "LISTEN_PORT");
  set("unix_socket_dir", value("UNIX_SOCKET_DIR"), "UNIX_SOCKET_DIR");
  set("auth_type", value("AUTH_TYPE", "md5"), "AUTH_TYPE");
  set("admin_users", value("ADMIN_USERS", "postgres"), "ADMIN_USERS");
  set("ignore_startup_parameters", value("IGNORE_STARTUP_PARAMETERS", "extra_float_digits"), "IGNORE_STARTUP_PARAMETERS");
  const std::string userlist = value("AUTH_FILE", reader_(usual_userlist) ? usual_userlist : "");
  if (!userlist.empty()) set("auth_file", userlist, "AUTH_FILE");
  // The others bear their own names; USER and its like say something else in every environment.
  set_all("", {"listen_addr", "listen_port", "unix_socket_dir", "auth_type", "admin_users", "ignore_startup_parameters",
               "auth_file", "user", "conffile", "job_name", "service_name"});
  if (is_set("DATABASE_URLS")) {
    for (const std::string& url : split_urls(value("DATABASE_URLS"))) add_url(url, "DATABASE_URLS");
  } else if (is_set("DATABASE_URL")) {
    add_url(value("DATABASE_URL"), "DATABASE_URL");
  } else if (!is_set("DB_HOST")) {
    complain("DB_HOST", "is not set, and neither is DATABASE_URL: which PostgreSQL is to be pooled?");
  } else {
    const std::string user = value("DB_USER", "postgres");
    add_database(value("DB_NAME", "*"),
                 {{"host", value("DB_HOST")}, {"port", value("DB_PORT", "5432")}, {"auth_user", user},
                  {"pool_size", value("POOL_SIZE")}, {"client_encoding", value("CLIENT_ENCODING")},
                  {"timezone", value("TIMEZONE")}}, "DB_HOST");
  }
  add_user(value("DB_USER", "postgres"), value("DB_PASSWORD"));
}

}  // namespace pgweir
