"""The version of Milepost. setup.cfg reads it from here."""

VERSION = "0.2.0"
