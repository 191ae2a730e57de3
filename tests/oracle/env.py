"""Finding a Python that has the packages a test needs: $IG_PYTHON when set (the tests' virtual environment), else this one."""
import importlib
import os
import sys


def need(*packages):
    """Continues under $IG_PYTHON when that is another interpreter; skips the test (exit status 77) when a package is missing."""
    wanted = os.environ.get("IG_PYTHON")
    if wanted and os.path.abspath(wanted) != os.path.abspath(sys.executable) and os.path.exists(wanted) and not os.environ.get("IG_PYTHON_ENTERED"):
        os.environ["IG_PYTHON_ENTERED"] = "1"
        os.execv(wanted, [wanted] + sys.argv)
    for name in packages:
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"SKIP: the Python package {name} is missing [peers]")
            sys.exit(77)
