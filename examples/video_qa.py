"""The chapter's VideoQA, for which it has no usage example, asked about a film."""

from sensorium import VideoQA

video_qa = VideoQA()
answer = video_qa.answer_video_question("video.mp4", "What is happening in this video?")
print(answer)
