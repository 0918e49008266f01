"""Parts as processes: started, watched, started again, asked to stop. No packet work and no measurement here."""
