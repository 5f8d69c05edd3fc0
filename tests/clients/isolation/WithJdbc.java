// pgJDBC's own session state: setSchema, setTransactionIsolation, setReadOnly, setClientInfo and currentSchema of the
// URL. Arguments host port user database connections turns.
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;

public class WithJdbc {
  static String url;
  static int connections;
  static final AtomicInteger checked = new AtomicInteger();
  static final String[] LEVELS = {"serializable", "repeatable read", "read committed"};
  static final int[] CODES = {Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_READ_COMMITTED};

  static void check(Object got, Object expected, String what) {
    if (!Objects.equals(got, expected)) throw new IllegalStateException(what + ": " + got + " and not " + expected);
    checked.incrementAndGet();
  }

  static String value(Connection connection, String sql) throws SQLException {
    try (PreparedStatement s = connection.prepareStatement(sql)) {
      ResultSet rows = s.executeQuery();
      return rows.next() ? rows.getString(1) : "no row";
    }
  }

  static boolean silent(int number) { return number == connections - 1; }

  static Connection open(int number) throws SQLException {
    if (silent(number)) return DriverManager.getConnection(url);
    boolean byUrl = number % 2 == 0;
    Connection connection = DriverManager.getConnection(url + (byUrl ? "&currentSchema=tenant_" + number : ""));
    try {
      if (!byUrl) connection.setSchema("tenant_" + number);
      connection.setTransactionIsolation(CODES[number % 3]);
      connection.setClientInfo("ApplicationName", "app " + number);
      try (PreparedStatement s = connection.prepareStatement("select set_config('app.tenant', ?, false)")) {
        s.setString(1, "t" + number);
        s.execute();
      }
      if (number % 3 == 0) connection.setReadOnly(true);
    } catch (SQLException error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  static void see(Connection connection, int number) throws SQLException {
    String who = "client " + number;
    check(connection.getSchema(), silent(number) ? "public" : "tenant_" + number, who);
    check(value(connection, "select current_setting('transaction_isolation')"), silent(number) ? "read committed" : LEVELS[number % 3], who);
    check(value(connection, "select string_agg(distinct tenant, ' ') from public.client_rows"), silent(number) ? null : "t" + number, who);
    if (silent(number)) return;
    check(value(connection, "select name from home"), "tenant_" + number, who);
    check(value(connection, "select current_setting('application_name')"), "app " + number, who);
  }

  static void write(Connection connection, int number) throws SQLException {
    String state = "done";
    try (Statement s = connection.createStatement()) {
      s.executeUpdate("insert into public.client_writes values (" + number + ", 0)");
    } catch (SQLException error) {
      state = error.getSQLState();
    }
    if (state.startsWith("08") || state.startsWith("57")) throw new SQLException("lost", state);
    check(state, !silent(number) && number % 3 == 0 ? "25006" : "done", "a write of client " + number);
  }

  static void work(int number, int turns) throws Exception {
    Connection connection = null;
    for (int turn = 0; turn < turns; ++turn) {
      for (int attempt = 0;; ++attempt) {
        try {
          if (connection == null) connection = open(number);
          see(connection, number);
          connection.setAutoCommit(false);
          see(connection, number);
          write(connection, number);
          connection.rollback();
          connection.setAutoCommit(true);
          break;
        } catch (SQLException error) {
          String state = String.valueOf(error.getSQLState());
          if (attempt > 40 || !(state.startsWith("08") || state.startsWith("57"))) throw error;
          Thread.sleep(50);
          try { if (connection != null) connection.close(); } catch (SQLException ignored) { }
          connection = null;
        }
      }
    }
    connection.close();
  }

  public static void main(String[] a) throws Exception {
    url = "jdbc:postgresql://" + a[0] + ":" + a[1] + "/" + a[3] + "?user=" + a[2] + "&password=zzzz&prepareThreshold=1&sslmode=disable";
    connections = Integer.parseInt(a[4]);
    int turns = Integer.parseInt(a[5]);
    ExecutorService pool = Executors.newFixedThreadPool(connections);
    List<Future<?>> all = new ArrayList<>();
    for (int i = 0; i < connections; ++i) {
      int number = i;
      all.add(pool.submit(() -> { work(number, turns); return null; }));
    }
    try {
      for (Future<?> one : all) one.get();
    } catch (ExecutionException error) {
      error.printStackTrace();
      System.exit(1);
    }
    pool.shutdown();
    System.out.println("ok " + checked);
  }
}
