"""The shipped classification: well-known applications, by executable name, on Windows and Linux.

A category gives a priority level where no rule and no override does. Names are as ``qos.policy.applications`` writes
them (no ``.exe``), compared without regard to case; globs are allowed. A name that nobody knows gets the default level
of the configuration. Levels: 0 is never limited, so only what must never wait is there.
"""

from fnmatch import fnmatchcase
from typing import Final

CATEGORY_LEVELS: Final[dict[str, int]] = {
    "critical": 0,
    "gaming": 1,
    "calls": 1,
    "work": 2,
    "browsing": 3,
    "streaming": 4,
    "background": 5,
}
"""Category → priority level."""

_NAMES: Final[dict[str, str]] = {
    "critical": """
        sshd ssh mstsc rdpclip termsrv xfreerdp remmina rustdesk anydesk teamviewer* openvpn* wireguard* wg wg-quick
        tailscale* zerotier-one* nordvpn* mullvad* protonvpn* vpnagent openconnect charon systemd-resolved
        systemd-timesyncd systemd-networkd networkmanager dhclient dhcpcd chronyd ntpd unbound dnsmasq w32time
        dnscache dhcp lsass autoqos
    """,
    "gaming": """
        cs2 csgo dota2 dota valorant valorant-win64-shipping leagueclient* "league of legends" riotclientservices
        rocketleague fortniteclient-win64-shipping* overwatch wow* diablo* hearthstone sc2* minecraft* javaw-minecraft
        robloxplayerbeta r5apex* apex* gta5 gtavlauncher rdr2 eldenring cod modernwarfare* destiny2 pathofexile* poe2
        rustclient dayz* pubg tslgame escapefromtarkov ffxiv_dx11 genshinimpact starcraft* factorio terraria stardew*
        hl2_linux hl2 tf geforcenow moonlight parsecd parsec sunshine
    """,
    "calls": """
        zoom zoom.real cpthost teams ms-teams msteams teams-for-linux skype* discord discordcanary discordptb slack
        webex* ciscocollabhost gotomeeting* g2mcomm bluejeans* jitsi* element* signal signal-desktop telegram
        telegram-desktop whatsapp viber mumble teamspeak* ts3client* linphone* facetime loom obs obs64
    """,
    "work": """
        outlook olk winword excel powerpnt onenote teams-work thunderbird evolution code code-insiders devenv idea*
        pycharm* webstorm* clion* rider* goland* rustrover* studio64 android-studio sublime_text notepad++ vim nvim
        emacs git git-remote-https libreoffice soffice* figma notion obsidian postman insomnia dbeaver* datagrip* ssms
        azuredatastudio tableau* putty windowsterminal kitty filezilla winscp
    """,
    "browsing": """
        chrome chromium chromium-browse* google-chrome* firefox firefox-bin firefox-esr msedge microsoftedge opera
        opera_gx brave brave-browser vivaldi vivaldi-bin librewolf waterfox safari iexplore epiphany* konqueror falkon
        tor msedgewebview2 arc zen zen-bin floorp
    """,
    "streaming": """
        spotify netflix* vlc mpv mplayer totem celluloid plex plexhtpc "plex media player" kodi kodi.bin
        jellyfinmediaplayer itunes applemusic amazonmusic deezer tidal* youtube* disneyplus hulu primevideo twitch*
        stremio audacious rhythmbox wmplayer microsoft.media.player potplayer* foobar2000 smplayer
    """,
    "background": """
        steam steamwebhelper steamservice epicgameslauncher epicwebhelper battle.net agent galaxyclient* origin
        eadesktop eabackgroundservice ubisoftconnect upc gamingservices* xboxapp* qbittorrent* utorrent* bittorrent*
        transmission* deluge* rtorrent aria2c ktorrent vuze tixati webtorrent* onedrive onedrive.sync.service dropbox
        googledrivefs googledrivesync icloud* iclouddrive box boxsync megasync nextcloud* owncloud* syncthing* rclone
        restic borg duplicati* backblaze* bztransmit* carbonite* crashplan* resilio* rsync wuauserv usoclient bits
        dosvc tiworker trustedinstaller mousocoreworker softwareupdate* googleupdate* msedgeupdate*
        microsoftedgeupdate* adobearm* creative* officeclicktorun apt apt-get dpkg unattended-upgr* packagekitd snapd
        snap flatpak dnf yum rpm pacman zypper wget curl docker-pull dockerd containerd pip pip3 npm yarn cargo
    """,
}


def _split(text: str) -> list[str]:
    parts = text.split('"')
    return [name for index, part in enumerate(parts) for name in ([part] if index % 2 else part.split())]


_EXACT: Final[dict[str, str]] = {}
_GLOBS: Final[list[tuple[str, str]]] = []
for _category, _text in _NAMES.items():
    for _name in _split(_text):
        if any(sign in _name for sign in "*?["):
            _GLOBS.append((_name, _category))
        elif _EXACT.setdefault(_name, _category) != _category:
            raise AssertionError(f"{_name} is classified twice")


def category_of(app: str) -> str | None:
    """The category of an application, by its name; None when nobody knows it. An exact name wins over a glob."""
    name = app.casefold()
    if (found := _EXACT.get(name)) is not None:
        return found
    return next((category for glob, category in _GLOBS if fnmatchcase(name, glob)), None)
