// pgJDBC with server-side statements from the first execution on: arguments host port user database connections turns.
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;

public class Jdbc {
  static String url;
  static final AtomicInteger checked = new AtomicInteger();

  static void check(boolean right, String what) {
    if (!right) throw new IllegalStateException(what);
    checked.incrementAndGet();
  }

  static void one(Connection connection, int id) throws SQLException {
    try (PreparedStatement s = connection.prepareStatement("select name from client_items where id = ?")) {
      s.setInt(1, id);
      s.getMetaData();
      ResultSet rows = s.executeQuery();
      check(rows.next() && rows.getString(1).equals("item " + id), "by id");
    }
    connection.setAutoCommit(false);
    try (PreparedStatement s = connection.prepareStatement("select id from client_items where id <= ? order by id")) {
      s.setFetchSize(3);
      s.setInt(1, id);
      int count = 0;
      for (ResultSet rows = s.executeQuery(); rows.next();) ++count;
      check(count == id, "cursor");
    }
    try (PreparedStatement s = connection.prepareStatement("insert into client_log values (?, ?)")) {
      for (int i = 0; i < 5; ++i) {
        s.setInt(1, id);
        s.setString(2, "x" + i);
        s.addBatch();
      }
      check(s.executeBatch().length == 5, "batch");
    }
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void work(int number, int turns) throws Exception {
    Connection connection = null;
    for (int turn = 0; turn < turns; ++turn) {
      for (int attempt = 0;; ++attempt) {
        try {
          if (connection == null) connection = DriverManager.getConnection(url);
          one(connection, (turn + number) % 20 + 1);
          break;
        } catch (SQLException error) {
          String state = String.valueOf(error.getSQLState());
          if (attempt > 20 || !(state.startsWith("08") || state.startsWith("57"))) throw error;
          Thread.sleep(50);
          try { if (connection != null) connection.close(); } catch (SQLException ignored) { }
          connection = null;
        }
      }
    }
    connection.close();
  }

  public static void main(String[] a) throws Exception {
    url = "jdbc:postgresql://" + a[0] + ":" + a[1] + "/" + a[3] + "?user=" + a[2]
        + "&password=zzzz&prepareThreshold=1&preparedStatementCacheQueries=5&sslmode=disable";
    int connections = Integer.parseInt(a[4]), turns = Integer.parseInt(a[5]);
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
