"""Common emoji by Slack's short names; the page has the same."""

NAMES_AND_CHARACTERS = """
+1 👍 -1 👎 eyes 👀 heart ❤️ tada 🎉 rocket 🚀 fire 🔥 joy 😂 white_check_mark ✅ x ❌ pray 🙏
clap 👏 thinking_face 🤔 bulb 💡 bug 🐛 star ⭐ wave 👋 smile 😄 raised_hands 🙌 100 💯 warning ⚠️
sparkles ✨ octagonal_sign 🛑 repeat 🔁 thumbsup 👍 thumbsdown 👎 slightly_smiling_face 🙂
simple_smile 🙂 smiley 😃 grinning 😀 grin 😁 laughing 😆 wink 😉 blush 😊 sweat_smile 😅 cry 😢
sob 😭 sunglasses 😎 neutral_face 😐 confused 😕 scream 😱 rage 😡 zzz 💤 sleeping 😴 muscle 💪
ok_hand 👌 point_up ☝️ point_right 👉 point_down 👇 v ✌️ handshake 🤝 brain 🧠 robot_face 🤖
computer 💻 keyboard ⌨️ memo 📝 books 📚 book 📖 package 📦 wrench 🔧 hammer 🔨 gear ⚙️ lock 🔒
unlock 🔓 key 🔑 mag 🔍 link 🔗 paperclip 📎 calendar 📅 clock1 🕐 hourglass ⌛
hourglass_flowing_sand ⏳ alarm_clock ⏰ stopwatch ⏱️ zap ⚡ boom 💥 sunny ☀️ cloud ☁️
snowflake ❄️ rainbow 🌈 coffee ☕ beer 🍺 pizza 🍕 cake 🍰 gift 🎁 trophy 🏆 medal 🏅 dart 🎯
chart_with_upwards_trend 📈 chart_with_downwards_trend 📉 bell 🔔 no_bell 🔕 question ❓
exclamation ❗ heavy_check_mark ✔️ heavy_plus_sign ➕ information_source ℹ️ no_entry ⛔
red_circle 🔴 large_green_circle 🟢 large_yellow_circle 🟡 large_blue_circle 🔵 arrow_right ➡️
arrow_left ⬅️ arrow_up ⬆️ arrow_down ⬇️ arrows_counterclockwise 🔄 snake 🐍 crab 🦀 whale 🐳
penguin 🐧 cat 🐱 dog 🐶 unicorn_face 🦄 broken_heart 💔 blue_heart 💙 green_heart 💚
yellow_heart 💛 purple_heart 💜 wastebasket 🗑️ construction 🚧
"""
_WORDS = NAMES_AND_CHARACTERS.split()
CHARACTERS = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
"""The characters of each short name."""
