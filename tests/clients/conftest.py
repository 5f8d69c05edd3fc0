"""The servers of tests/integration, for drivers of other languages."""
import importlib.util
import sys
from pathlib import Path

INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
integration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(integration)

binary, cluster, own_cluster, pooler = integration.binary, integration.cluster, integration.own_cluster, integration.pooler
pytest_configure, pytest_collection_modifyitems = integration.pytest_configure, integration.pytest_collection_modifyitems
