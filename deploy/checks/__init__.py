"""What deploy/check does, a module for each kind of file."""

from . import chart, composition, guide, image, metrics, settings

CHECKS = {
    "settings": settings.check_settings,
    "image": image.check_image,
    "composition": composition.check_composition,
    "dashboards": metrics.check_dashboards,
    "alerts": metrics.check_alerts,
    "guide": guide.check_guide,
    "chart": chart.check_chart,
}


def run(name, files):
    """Runs a check; what it cannot read is a fault."""
    try:
        CHECKS[name](files)
    except Exception as error:  # whatever a broken file makes of it
        files.fault(name, f"cannot be checked: {type(error).__name__}: {error}")
