"""The chapter's usage example of TextToSpeech."""

from sensorium import TextToSpeech

# 使用示例
tts = TextToSpeech()

text = "Hello, this is a text-to-speech example."
audio_file = tts.synthesize(text, "hello.wav")
print(f"Audio saved to {audio_file}")
