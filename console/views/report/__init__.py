"""The comparison of applications in one picture; pandas and matplotlib are imported only here."""
