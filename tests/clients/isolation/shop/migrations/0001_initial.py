from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    atomic = False
    operations = [
        migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)), ("what", models.TextField()), ("at", models.DateTimeField())]),
        migrations.RunSQL("set lock_timeout = '3s'", migrations.RunSQL.noop),
        AddIndexConcurrently("order", models.Index(fields=["what"], name="order_what")),
        migrations.RunSQL("reset lock_timeout", migrations.RunSQL.noop),
    ]
