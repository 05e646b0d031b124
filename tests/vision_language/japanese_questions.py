"""Questions in Japanese about the real photos with their answers, written before any answer was seen."""

from __future__ import annotations

from tests.vision_language.photo_questions import PhotoQuestion

ANSWERABLE = (
    PhotoQuestion("chelsea", "これは何の動物ですか？", ("猫",)),
    PhotoQuestion("chelsea", "写真に何が写っていますか？", ("猫",)),
    PhotoQuestion("chelsea", "犬はいますか？", ("いいえ",)),
    PhotoQuestion("chelsea", "この猫は何色ですか？", ("茶色", "オレンジ")),
    PhotoQuestion("chelsea", "何人いますか？", ("人は見つかりません",)),
    PhotoQuestion("coffee", "カップはありますか？", ("はい",)),
    PhotoQuestion("coffee", "カップの色は何ですか？", ("赤", "オレンジ"), ("分かりません",)),
    PhotoQuestion("astronaut", "人は何人写っていますか？", ("1人",)),
    PhotoQuestion("astronaut", "誰かいますか？", ("はい",)),
    PhotoQuestion("astronaut", "ヘルメットはどこにありますか？", ("下",)),
    PhotoQuestion("rocket", "これは何ですか？", ("ロケット",)),
    PhotoQuestion("rocket", "写真は暗いですか？", ("暗いです",)),
    PhotoQuestion("cameraman", "これは白黒写真ですか？", ("はい",)),
    PhotoQuestion("china", "建物はありますか？", ("はい",)),
    PhotoQuestion("flower", "花が写っていますか？", ("はい",)),
    PhotoQuestion("apple", "これは何の果物ですか？", ("リンゴ",)),
    PhotoQuestion("baboon", "どんな動物が写っていますか？", ("ヒヒ", "猿")),
    PhotoQuestion("building", "建物は何色ですか？", ("白",)),
    PhotoQuestion("butterfly", "これは何の昆虫ですか？", ("蝶", "チョウ")),
    PhotoQuestion("dog", "これは猫ですか、犬ですか？", ("犬",), ("どちらも",)),
    PhotoQuestion("dog", "犬の種類は何ですか？", ("ペキニーズ", "犬")),
    PhotoQuestion("home", "空は何色ですか？", ("青", "水色")),
    PhotoQuestion("messi", "ボールは見えますか？", ("はい",)),
    PhotoQuestion("orange", "どんな果物がありますか？", ("オレンジ",)),
    PhotoQuestion("squirrel", "画像を詳しく説明してください。", ("リス",)),
    PhotoQuestion("car", "車は何色ですか？", ("灰色", "銀", "水色")),
    PhotoQuestion("car", "写真はぼやけていますか？", ("ぼやけています",)),
    PhotoQuestion("basketball", "画像のサイズは？", ("ピクセル",)),
)

UNANSWERABLE = (
    PhotoQuestion("astronaut", "これは誰ですか？", ("誰なのかは分かりません",)),
    PhotoQuestion("astronaut", "彼女は何歳ですか？", ("分かりません",)),
    PhotoQuestion("chelsea", "ユニコーンはいますか？", ("「ユニコーン」は見分け",)),
    PhotoQuestion("chelsea", "オーケストラはいますか？", ("「オーケストラ」は見分け",)),
    PhotoQuestion("chelsea", "なぜ空は青いのですか？", ("分かりません",)),
    PhotoQuestion("chelsea", "フランスの首都を当ててみて", ("理解できません",)),
    PhotoQuestion("dog", "犬は何匹いますか？", ("数えられるのは人だけ",)),
)
