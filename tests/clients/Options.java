// pgJDBC's own startup parameters and `options`: arguments host port user password database options, then settings to show.
import java.sql.*;
import java.util.Properties;

public class Options {
  public static void main(String[] a) throws Exception {
    Properties login = new Properties();
    login.setProperty("user", a[2]);
    login.setProperty("password", a[3]);
    login.setProperty("sslmode", "disable");
    login.setProperty("options", a[5]);
    login.setProperty("ApplicationName", "a driver's name");
    try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + a[0] + ":" + a[1] + "/" + a[4], login);
         Statement statement = connection.createStatement()) {
      for (int i = 6; i < a.length; ++i) {
        ResultSet rows = statement.executeQuery("show " + a[i]);
        rows.next();
        System.out.println(rows.getString(1));
      }
    } catch (SQLException error) {
      System.out.println(error.getSQLState() + " " + error.getMessage());
    }
  }
}
