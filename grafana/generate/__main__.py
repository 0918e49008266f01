"""Write every dashboard and the alert rules next to where Grafana is provisioned from."""

from pathlib import Path

from grafana.generate.render import rendered


def main() -> None:
    """Write what changed and say so."""
    for path, text in rendered().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    main()
