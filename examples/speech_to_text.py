"""The chapter's usage example of SpeechToText."""

from sensorium import SpeechToText

# 使用示例
stt = SpeechToText(model_size="medium")

# 转录
result = stt.transcribe("audio.mp3", language="zh")
print(result["text"])

# 生成字幕
stt.generate_srt("audio.mp3", "subtitles.srt")

# 翻译成英文
result_en = stt.transcribe("chinese_audio.mp3", task="translate")
print(result_en["text"])
