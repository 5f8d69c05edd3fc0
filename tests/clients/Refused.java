// What pgJDBC tells of a login: arguments host user database, then password and port in turns. Prints SQLSTATE and text.
import java.sql.*;
import java.util.Properties;

public class Refused {
  public static void main(String[] a) throws Exception {
    for (int i = 3; i < a.length; i += 2) {
      Properties login = new Properties();
      login.setProperty("user", a[1]);
      login.setProperty("password", a[i]);
      login.setProperty("sslmode", "disable");
      try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + a[0] + ":" + a[i + 1] + "/" + a[2], login);
           ResultSet rows = connection.createStatement().executeQuery("select 'in'")) {
        rows.next();
        System.out.println("00000 " + rows.getString(1));
      } catch (SQLException error) {
        System.out.println(error.getSQLState() + " " + error.getMessage());
      }
    }
  }
}
