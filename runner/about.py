"""The version of Milepost, in its one place: setup.cfg reads it from here."""

VERSION = "0.2.0"
